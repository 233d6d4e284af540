"""Reductions along one axis."""

from __future__ import annotations

from ..abstract import Abstract, alike, axis_of
from ..kernel import Array, kernel
from ..signature import signature


def _without_axis(x: Array, axis: int) -> Abstract:
    along = axis_of(x, axis)
    return alike(x, (n for i, n in enumerate(x.shape) if i != along))


@kernel(shapes=signature("x *", rule=_without_axis, cost="16 *"))
def sum(x: Array, axis: int) -> Array:
    """Sum over one axis, which disappears."""
    return x.sum(axis=axis)
