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
from .program import Dyn, Program, Ref
from .tensor import Array, Values

Given = TypeVar("Given", bound=ArrayLike)


def _given(program: Program, values: Mapping[str, Given], name: str, index: int) -> Given:
    if name not in values:
        raise InputError("is missing", where=name)
    if np.shape(values[name]) != program.buffers[index].shape:
        raise InputError(f"expected {program.buffers[index].shape}, got {np.shape(values[name])}", where=name)
    return values[name]


def replay(program: Program, inputs: Mapping[str, ArrayLike], state: Mapping[str, Array], **dynamics: float) -> Values:
    """Outputs by name; `state` is changed in place. Numbers that are not given keep their recorded values.

    Raises `InputError` for an input or state that is missing or has another shape than the program's.
    """
    buffers = program.buffers
    values: dict[int, Array] = dict(program.constants)
    values |= {index: np.asarray(_given(program, inputs, name, index)) for name, index in program.inputs.items()}
    values |= {index: _given(program, state, name, index) for name, index in program.state.items()}
    numbers = {**program.dynamics, **dynamics}

    def value(index: int) -> Array:
        if index not in values:
            b = buffers[index]
            if b.source in (-1, index):  # its parts are written in place
                values[index] = np.empty(b.shape, b.dtype)
            else:
                values[index] = value(b.source).reshape(-1)[b.offset : b.offset + b.size].reshape(b.shape)
        return values[index]

    def resolve(argument: Any) -> Any:
        if isinstance(argument, Ref):
            return value(argument.index)
        if isinstance(argument, Dyn):
            number = numbers[argument.name]
            return int(number) if float(number).is_integer() else number  # positions and counts index arrays
        return [resolve(operand) for operand in argument] if is_tuple(argument) else argument

    for d in program.dispatches:
        kernel = KERNELS[d.kernel]
        returned = kernel.function(**{name: resolve(argument) for name, argument in d.arguments.items()})
        for index, out in zip(d.outputs, results(returned), strict=True):
            if buffers[index].source in (-1, index) or kernel.view:
                values[index] = np.asarray(out)
            else:
                value(index)[...] = out
    return {name: value(index).copy() for name, index in program.outputs.items()}  # they may be views of state
