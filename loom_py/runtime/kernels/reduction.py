"""Reductions along one axis."""

from __future__ import annotations

from ..abstract import Abstract, alike
from ..kernel import Array, kernel


def _without_axis(x: Array, axis: int) -> Abstract:
    return alike(x, (n for i, n in enumerate(x.shape) if i != axis % x.ndim))


@kernel(shapes=_without_axis)
def sum(x: Array, axis: int) -> Array:
    """Sum over one axis, which disappears."""
    return x.sum(axis=axis)
