"""Moving elements about."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ..abstract import Abstract, alike, axis_of, filled, misfit
from ..kernel import Array, Gradients, kernel
from ..ops import Ops, Tensor
from ..signature import signature


def _reshaped(x: Array, shape: Sequence[int]) -> Abstract:
    rest = x.size // max(1, prod(n for n in shape if n != -1)) if list(shape).count(-1) == 1 else -1
    whole = [rest if n == -1 else n for n in shape]
    if prod(whole) != x.size or any(n < 1 for n in whole):
        raise misfit(f"{tuple(x.shape)} cannot become {tuple(shape)}")
    return alike(x, whole)


def _reshape_rule(ops: Ops, y: Tensor, gy: Tensor, /, x: Tensor, shape: Sequence[int]) -> Gradients:
    return {"x": ops.reshape(gy, x.shape)}


@kernel(shapes=signature("x:word *", rule=_reshaped), view="x", gradient=_reshape_rule)
def reshape(x: Array, shape: Sequence[int]) -> Array:
    """The same elements in row-major order under another shape, of which one extent may be −1; no copy."""
    return x.reshape(tuple(shape))


def _zeros_rule(ops: Ops, y: Tensor, gy: Tensor, /, shape: Sequence[int], like: Tensor) -> Gradients:
    return {"like": None}


@kernel(shapes=signature("like:word *", rule=filled), gradient=_zeros_rule)
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


def _concat_rule(ops: Ops, y: Tensor, gy: Tensor, /, parts: Sequence[Tensor], axis: int) -> Gradients:
    lengths = [part.shape[axis] for part in parts]
    return {"parts": [ops.narrow(gy, axis, sum(lengths[:i]), length) for i, length in enumerate(lengths)]}


@kernel(shapes=signature("parts:word *", rule=_joined, cost="1000"), gradient=_concat_rule)
def concat(parts: Sequence[Array], axis: int) -> Array:
    """The parts one after another along `axis`."""
    return np.concatenate(parts, axis=axis)


def _narrowed(x: Array, axis: int, start: int, length: int) -> Abstract:
    extent = x.shape[axis_of(x, axis)]
    if start < 0 or length < 1 or start + length > extent:
        raise misfit(f"{length} elements from {start} do not lie in {extent}")
    return _resized(x, axis, length)


def _narrow_rule(ops: Ops, y: Tensor, gy: Tensor, /, x: Tensor, axis: int, start: int, length: int) -> Gradients:
    """gy between zeros."""
    if start:
        before = [start if i == axis_of(x, axis) else n for i, n in enumerate(x.shape)]
        gy = ops.concat([ops.zeros(before, like=gy), gy], axis)
    return {"x": ops.pad(gy, axis, x.shape[axis]) if start + length < x.shape[axis] else gy}


@kernel(shapes=signature("x:word *", rule=_narrowed), gradient=_narrow_rule)
def narrow(x: Array, axis: int, start: int, length: int) -> Array:
    """Elements `start … start + length` along `axis`."""
    index = [slice(None)] * x.ndim
    index[axis] = slice(start, start + length)
    return x[tuple(index)].copy()


def _padded(x: Array, axis: int, length: int) -> Abstract:
    if length < x.shape[axis_of(x, axis)]:
        raise misfit(f"{tuple(x.shape)} is longer than {length} along axis {axis}")
    return _resized(x, axis, length)


def _pad_rule(ops: Ops, y: Tensor, gy: Tensor, /, x: Tensor, axis: int, length: int) -> Gradients:
    return {"x": ops.narrow(gy, axis, 0, x.shape[axis])}


@kernel(shapes=signature("x:word *", rule=_padded), gradient=_pad_rule)
def pad(x: Array, axis: int, length: int) -> Array:
    """Zeros appended along `axis` up to `length`."""
    missing = [(0, 0)] * x.ndim
    missing[axis] = (0, length - x.shape[axis])
    return np.pad(x, missing)


def _assign_rule(ops: Ops, y: Tensor, gy: Tensor, /, state: Tensor, x: Tensor) -> Gradients:
    return {"state": None, "x": gy}


@kernel(shapes=signature("state:word *, x:word *", cost="64 *"), in_place=("state",), gradient=_assign_rule)
def assign(state: Array, x: Array) -> None:
    """`state ← x`."""
    state[...] = x
