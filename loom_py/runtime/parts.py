"""A compiled program that can also be replayed in parts, so that the time of each kernel can be measured.

No tensor shares memory with another, and `submit_parts` repeats kernel calls with the operands that they had: within a
call into the device, so that neither Python nor a coarse clock disturbs the figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from numpy.typing import ArrayLike

from .device import Activations
from .pending import Done, Pending
from .program import Dispatch, Program
from .replay import Replay
from .tensor import Array, DeviceTensor, Values


class Parts(Protocol):
    """What a device makes of a program, in the pieces that it does in one go."""

    @property
    def program(self) -> Program:
        """As the device runs it, after its own transforms."""
        ...

    @property
    def parts(self) -> Sequence[Sequence[Dispatch]]:
        """The dispatches of each part, in the order of a replay."""
        ...

    @property
    def stored(self) -> Mapping[int, str]:
        """Buffer → how its elements are stored, where that is not its dtype."""
        ...

    def submit(self, inputs: Mapping[str, ArrayLike], /, **dynamics: float) -> Pending[Values]:
        """One whole replay: inputs by name → outputs by name."""
        ...

    def submit_parts(self, parts: Sequence[int], steps: int) -> Pending[object]:
        """Replay some parts, in their order and `steps` times, with the inputs and numbers of the last whole replay."""
        ...

    def free(self) -> None:
        """Free what it allocated; state stays."""
        ...


@runtime_checkable
class Divisible(Protocol):
    """A device whose programs can be replayed in parts."""

    def compile_parts(
        self, program: Program, state: Mapping[str, DeviceTensor], *, activations: Activations = "f32"
    ) -> Parts:
        """As `Device.compile`. Raises `DeviceError` if the device cannot run the program."""
        ...


class NumpyParts:
    """See `Parts`: a kernel call each. `state` is changed in place."""

    stored: Mapping[int, str] = {}

    def __init__(self, program: Program, state: Mapping[str, Array]) -> None:
        self.program = program
        self.parts: Sequence[Sequence[Dispatch]] = [(d,) for d in program.dispatches]
        self._state = state
        self._replay: Replay | None = None

    def submit(self, inputs: Mapping[str, ArrayLike], /, **dynamics: float) -> Done[Values]:
        self._replay = Replay(self.program, inputs, self._state, dynamics)
        self._run(range(len(self.parts)))
        return Done(self._replay.outputs())

    def submit_parts(self, parts: Sequence[int], steps: int) -> Done[None]:
        for _ in range(steps):
            self._run(parts)
        return Done(None)

    def _run(self, parts: Sequence[int]) -> None:
        assert self._replay is not None
        for part in parts:
            self._replay.run(self.program.dispatches[part])

    def free(self) -> None:
        self._replay = None
