"""Reductions along one axis."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


def sum_axis(x: Array, axis: int) -> Array:
    return x.sum(axis=axis)
