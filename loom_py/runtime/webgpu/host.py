"""Where shaders run: an adapter's device with its buffers and queue. In a page JavaScript has it, natively wgpu-py.

Buffers, plans and readings are named by small integers, so that nothing of the GPU's crosses into Python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..tensor import Array


class Reading(Protocol):
    """Bytes on their way back from the GPU."""

    @property
    def promise(self) -> object | None:
        """A JavaScript promise to wait for, which never rejects; None natively."""
        ...

    def result(self) -> memoryview:
        """The bytes, once. Raises `DeviceError` if the device was lost or a command was invalid."""
        ...


class Host(Protocol):
    """An open device."""

    @property
    def adapter(self) -> Mapping[str, Any]:
        """What the adapter says of itself: vendor, architecture, device, description, type, backend."""
        ...

    @property
    def features(self) -> Sequence[str]: ...

    @property
    def limits(self) -> Mapping[str, int]:
        """In WebGPU's own spelling, `maxStorageBufferBindingSize`."""
        ...

    @property
    def generation(self) -> int:
        """How many devices there were; what an earlier one computed is gone."""
        ...

    @property
    def lost(self) -> str:
        """Why the device is gone; empty while it is there."""
        ...

    def create(self, nbytes: int) -> int:
        """A new buffer of zeros."""
        ...

    def destroy(self, buffer: int) -> None: ...

    def used(self) -> tuple[int, int]:
        """Bytes in the buffers made and not destroyed, and their number."""
        ...

    def write(self, buffer: int, offset: int, data: Array, *, keep: bool = False) -> None:
        """Copy a contiguous array of whole 4-byte words into a buffer, in the order of the calls.

        With `keep` a copy stays with the host and is written again by `reopen`.
        """
        ...

    def reopen(self) -> object | None:
        """Put a new device in the place of a lost one: a promise to wait for, or None if it is there.

        Buffers and plans keep their numbers; buffers that were not kept are zeros.
        """
        ...

    def lose(self, reason: str) -> None:
        """Lose the device on purpose: what a test does."""
        ...

    def copy(self, source: int, target: int, nbytes: int) -> None:
        """From the start of one buffer to the start of another."""
        ...

    def read(self, pieces: Sequence[tuple[int, int, int]]) -> Reading:
        """Ask for (buffer, offset, bytes) …, one after another, as they are after everything submitted so far."""
        ...

    def plan(self, spec: str, uniforms: bytes) -> int:
        """Make pipelines and bind groups of `Plan.spec()`; compiling goes on in the background where it can."""
        ...

    def replay(self, plan: int, rows: Array, steps: int, indices: Sequence[int], keep: bool) -> None:
        """Submit a plan `steps` times.

        **Arguments:**

        - `rows`: for each step the words of its dynamic numbers.
        - `indices`: for each step the row of the tables, or nothing.
        - `keep`: copy the outputs of each step to its place.
        """
        ...

    def drop(self, plan: int) -> None:
        """Forget a plan."""
        ...

    def close(self) -> None:
        """Destroy the device."""
        ...
