"""Where shaders run: an adapter's device with its buffers and queue, held by JavaScript or natively by wgpu-py.

Buffers, plans and readings are named by small integers, so that no GPU object crosses into Python.
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
        """The adapter's description of itself: vendor, architecture, device, description, type, backend."""
        ...

    @property
    def features(self) -> Sequence[str]: ...

    @property
    def limits(self) -> Mapping[str, int]:
        """In WebGPU's own spelling, `maxStorageBufferBindingSize`."""
        ...

    @property
    def generation(self) -> int:
        """Number of devices so far; the results of earlier ones are lost."""
        ...

    @property
    def lost(self) -> str:
        """Why the device was lost; empty while it works."""
        ...

    def create(self, nbytes: int) -> int:
        """A new buffer of zeros."""
        ...

    def destroy(self, buffer: int) -> None: ...

    def used(self) -> tuple[int, int]:
        """Bytes of the buffers created and not destroyed, and their number."""
        ...

    def write(self, buffer: int, offset: int, data: Array, *, keep: bool = False) -> None:
        """Copy a contiguous array of whole 4-byte words into a buffer, in the order of the calls.

        With `keep` the host keeps a copy, which `reopen` writes again.
        """
        ...

    def reopen(self) -> object | None:
        """Replace a lost device by a new one; returns a promise to wait for, or None if it is ready.

        Buffers and plans keep their numbers; buffers that were not kept are zeros.
        """
        ...

    def lose(self, reason: str) -> None:
        """Lose the device on purpose, for tests."""
        ...

    def copy(self, source: int, target: int, nbytes: int) -> None:
        """Copy from the start of one buffer to the start of another."""
        ...

    def read(self, pieces: Sequence[tuple[int, int, int]]) -> Reading:
        """Read (buffer, offset, bytes) …, one after another, as they are after all work submitted so far."""
        ...

    def plan(self, spec: str, uniforms: bytes) -> int:
        """Create the pipelines and bind groups of `Plan.spec()`, compiling in the background where possible."""
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
        """Free a plan."""
        ...

    def close(self) -> None:
        """Destroy the device."""
        ...
