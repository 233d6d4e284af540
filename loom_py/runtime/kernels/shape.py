"""Moving elements about."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ..abstract import Abstract, alike, axis_of, filled, misfit
from ..kernel import Array, kernel
from ..signature import signature


def _reshaped(x: Array, shape: Sequence[int]) -> Abstract:
    rest = x.size // max(1, prod(n for n in shape if n != -1)) if list(shape).count(-1) == 1 else -1
    whole = [rest if n == -1 else n for n in shape]
    if prod(whole) != x.size or any(n < 1 for n in whole):
        raise misfit(f"{tuple(x.shape)} cannot become {tuple(shape)}")
    return alike(x, whole)


@kernel(shapes=signature("x:word *", rule=_reshaped), view="x")
def reshape(x: Array, shape: Sequence[int]) -> Array:
    """The same elements in row-major order under another shape, of which one extent may be −1; no copy."""
    return x.reshape(tuple(shape))


@kernel(shapes=signature("like:word *", rule=filled))
def zeros(shape: Sequence[int], like: Array) -> Array:
    """Zeros of the dtype of `like`."""
    return np.zeros(tuple(shape), like.dtype)


def _resized(x: Array, axis: int, length: int) -> Abstract:
    along = axis_of(x, axis)
    return alike(x, (length if i == along else n for i, n in enumerate(x.shape)))


def _joined(parts: Sequence[Array], axis: int) -> Abstract:
    along = axis_of(parts[0], axis)
    for part in parts:
        if part.ndim != parts[0].ndim or _resized(part, along, 1) != _resized(parts[0], along, 1):
            raise misfit(f"{tuple(part.shape)} does not continue {tuple(parts[0].shape)} along axis {axis}")
    return _resized(parts[0], along, sum(part.shape[along] for part in parts))


@kernel(shapes=signature("parts:word *", rule=_joined, cost="1000"))
def concat(parts: Sequence[Array], axis: int) -> Array:
    """The parts one after another along `axis`."""
    return np.concatenate(parts, axis=axis)


def _narrowed(x: Array, axis: int, start: int, length: int) -> Abstract:
    extent = x.shape[axis_of(x, axis)]
    if start < 0 or length < 1 or start + length > extent:
        raise misfit(f"{length} elements from {start} do not lie in {extent}")
    return _resized(x, axis, length)


@kernel(shapes=signature("x:word *", rule=_narrowed))
def narrow(x: Array, axis: int, start: int, length: int) -> Array:
    """Elements `start … start + length` along `axis`."""
    index = [slice(None)] * x.ndim
    index[axis] = slice(start, start + length)
    return x[tuple(index)].copy()


def _padded(x: Array, axis: int, length: int) -> Abstract:
    if length < x.shape[axis_of(x, axis)]:
        raise misfit(f"{tuple(x.shape)} is longer than {length} along axis {axis}")
    return _resized(x, axis, length)


@kernel(shapes=signature("x:word *", rule=_padded))
def pad(x: Array, axis: int, length: int) -> Array:
    """Zeros appended along `axis` up to `length`."""
    missing = [(0, 0)] * x.ndim
    missing[axis] = (0, length - x.shape[axis])
    return np.pad(x, missing)


@kernel(shapes=signature("state:word *, x:word *", cost="64 *"), in_place=("state",))
def assign(state: Array, x: Array) -> None:
    """`state ← x`."""
    state[...] = x
