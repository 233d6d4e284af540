"""Replaying a program on NumPy: the reference for devices and for transforms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError
from . import kernels  # noqa: F401  # pyright: ignore[reportUnusedImport]  (declares the vocabulary)
from .guards import is_tuple
from .kernel import KERNELS, results
from .program import Dispatch, Dyn, Program, Ref
from .tensor import Array, Values

Given = TypeVar("Given", bound=ArrayLike)


def _given(program: Program, values: Mapping[str, Given], name: str, index: int) -> Given:
    if name not in values:
        raise InputError("is missing", where=name)
    if np.shape(values[name]) != program.buffers[index].shape:
        raise InputError(f"expected {program.buffers[index].shape}, got {np.shape(values[name])}", where=name)
    return values[name]


class Replay:
    """One replay, dispatch by dispatch: the values of a program's buffers; `state` is changed in place.

    Raises `InputError` for an input or state that is missing or has another shape than the program's.
    """

    def __init__(
        self,
        program: Program,
        inputs: Mapping[str, ArrayLike],
        state: Mapping[str, Array],
        dynamics: Mapping[str, float],
    ) -> None:
        self.program = program
        self._values: dict[int, Array] = dict(program.constants)
        self._values |= {i: np.asarray(_given(program, inputs, name, i)) for name, i in program.inputs.items()}
        self._values |= {i: _given(program, state, name, i) for name, i in program.state.items()}
        self._numbers = {**program.dynamics, **dynamics}

    def _value(self, index: int) -> Array:
        values = self._values
        if index not in values:
            b = self.program.buffers[index]
            if b.source in (-1, index):  # its parts are written in place
                values[index] = np.empty(b.shape, b.dtype)
            else:
                values[index] = self._value(b.source).reshape(-1)[b.offset : b.offset + b.size].reshape(b.shape)
        return values[index]

    def _resolve(self, argument: Any) -> Any:
        if isinstance(argument, Ref):
            return self._value(argument.index)
        if isinstance(argument, Dyn):
            number = self._numbers[argument.name]
            return int(number) if float(number).is_integer() else number  # positions and counts index arrays
        return [self._resolve(operand) for operand in argument] if is_tuple(argument) else argument

    def run(self, d: Dispatch) -> None:
        """One kernel call; those before it have run."""
        kernel = KERNELS[d.kernel]
        returned = kernel.function(**{name: self._resolve(argument) for name, argument in d.arguments.items()})
        for index, out in zip(d.outputs, results(returned), strict=True):
            if self.program.buffers[index].source in (-1, index) or kernel.view:
                self._values[index] = np.asarray(out)
            else:
                self._value(index)[...] = out

    def outputs(self) -> Values:
        """Outputs by name, once all dispatches have run."""
        return {name: self._value(i).copy() for name, i in self.program.outputs.items()}  # they may be views of state


def replay(program: Program, inputs: Mapping[str, ArrayLike], state: Mapping[str, Array], **dynamics: float) -> Values:
    """Outputs by name; `state` is changed in place. Numbers that are not given keep their recorded values.

    Raises `InputError` as `Replay` does.
    """
    one = Replay(program, inputs, state, dynamics)
    for d in program.dispatches:
        one.run(d)
    return one.outputs()
