"""Moving elements about."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ..abstract import Abstract, alike, filled, misfit, nothing
from ..kernel import Array, kernel


def _reshaped(x: Array, shape: Sequence[int]) -> Abstract:
    if prod(shape) != prod(x.shape):
        raise misfit(f"{tuple(x.shape)} cannot become {tuple(shape)}")
    return alike(x, shape)


@kernel(shapes=_reshaped, view="x")
def reshape(x: Array, shape: Sequence[int]) -> Array:
    """The same elements in row-major order under another shape; no copy."""
    return x.reshape(tuple(shape))


@kernel(shapes=filled)
def zeros(shape: Sequence[int], like: Array) -> Array:
    """Zeros of the dtype of `like`."""
    return np.zeros(tuple(shape), like.dtype)


def _resized(x: Array, axis: int, length: int, **_: int) -> Abstract:
    return alike(x, (length if i == axis % x.ndim else n for i, n in enumerate(x.shape)))


def _joined(parts: Sequence[Array], axis: int) -> Abstract:
    return _resized(parts[0], axis, sum(part.shape[axis] for part in parts))


@kernel(shapes=_joined)
def concat(parts: Sequence[Array], axis: int) -> Array:
    """The parts one after another along `axis`."""
    return np.concatenate(parts, axis=axis)


@kernel(shapes=_resized)
def narrow(x: Array, axis: int, start: int, length: int) -> Array:
    """Elements `start … start + length` along `axis`."""
    index = [slice(None)] * x.ndim
    index[axis] = slice(start, start + length)
    return x[tuple(index)].copy()


@kernel(shapes=_resized)
def pad(x: Array, axis: int, length: int) -> Array:
    """Zeros appended along `axis` up to `length`."""
    missing = [(0, 0)] * x.ndim
    missing[axis] = (0, length - x.shape[axis])
    return np.pad(x, missing)


@kernel(shapes=nothing, in_place=("state",))
def assign(state: Array, x: Array) -> None:
    """`state ← x`."""
    state[...] = x
