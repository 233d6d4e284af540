"""Tensors without values: tracing a large model needs shapes and dtypes only, so nothing is computed.

A kernel's declaration names its *shape rule*: a function of the kernel's arguments, by name, that gives its results as
`Abstract`, raising `InputError` where operands do not fit. This file makes the rules that many kernels share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..errors import InputError
from .guards import is_sequence

FLOAT32: np.dtype[Any] = np.dtype(np.float32)


@dataclass(frozen=True)
class Abstract:
    """A shape and a NumPy dtype."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any] = FLOAT32

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return prod(self.shape)


Shapes = Callable[..., Abstract | tuple[Abstract, ...] | None]
"""Kernel arguments by name → the results."""


def is_abstract(operands: Iterable[Any]) -> bool:
    """Whether one of a kernel's arguments is `Abstract`."""

    def without_values(x: Any) -> bool:
        return any(isinstance(part, Abstract) for part in (x if is_sequence(x) else (x,)))

    return any(map(without_values, operands))


def alike(operand: Any, shape: Iterable[int] | None = None) -> Abstract:
    """The dtype of an operand, and its shape unless another is given."""
    return Abstract(tuple(operand.shape if shape is None else shape), operand.dtype)


def misfit(problem: str) -> InputError:
    """The error of a rule whose operands do not fit."""
    return InputError(problem, where="tracing")


def axis_of(operand: Any, axis: int) -> int:
    """An axis counted from the front. Raises `InputError` if the operand has none of that number."""
    if not -operand.ndim <= axis < operand.ndim:
        raise misfit(f"{tuple(operand.shape)} has no axis {axis}")
    return axis % operand.ndim


def filled(shape: Sequence[int], like: Any, **_: Any) -> Abstract:
    """The rule of a kernel that makes a tensor of a shape, with the dtype of another."""
    if any(n < 1 for n in shape):
        raise misfit(f"{tuple(shape)} has no elements")
    return alike(like, shape)


def always(shape: tuple[int, ...], dtype: str) -> Shapes:
    """The rule of a kernel whose result does not depend on its operands' shapes."""

    def rule(**_: Any) -> Abstract:
        return Abstract(shape, np.dtype(dtype))

    return rule
