"""Reductions along one axis."""

from __future__ import annotations

from math import prod

import numpy as np

from ..abstract import Abstract, alike, axis_of
from ..kernel import Array, Gradients, kernel
from ..ops import Ops, Tensor
from ..signature import signature


def _without_axis(x: Array, axis: int) -> Abstract:
    along = axis_of(x, axis)
    return alike(x, (n for i, n in enumerate(x.shape) if i != along))


def _sum_rule(ops: Ops, y: Tensor, gy: Tensor, /, x: Tensor, axis: int) -> Gradients:
    """gy once for each element along the axis, by a product with ones."""
    along = axis_of(x, axis)
    outer, length, inner = prod(x.shape[:along]), x.shape[along], prod(x.shape[along + 1 :])
    if outer == 1:
        gx = ops.matmul(np.ones((length, 1), x.dtype), ops.reshape(gy, (1, inner)))
    elif inner == 1:
        gx = ops.matmul(ops.reshape(gy, (outer, 1)), np.ones((1, length), x.dtype))
    else:
        parts = ops.reshape(x, (outer, length, inner))
        _, gx = ops.mix_grad(np.ones((outer, length), x.dtype), parts, ops.reshape(gy, (outer, inner)))
    return {"x": ops.reshape(gx, x.shape)}


@kernel(shapes=signature("x *", rule=_without_axis, cost="16 *"), gradient=_sum_rule)
def sum(x: Array, axis: int) -> Array:
    """Sum over one axis, which disappears."""
    return x.sum(axis=axis)
