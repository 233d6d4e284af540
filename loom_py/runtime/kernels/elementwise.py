"""Arithmetic element by element."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


def add(a: Array, b: Array) -> Array:
    return a + b


def mul(a: Array, b: Array) -> Array:
    return a * b


def scale(x: Array, factor: float) -> Array:
    return x * x.dtype.type(factor)


def accumulate(total: Array, g: Array, factor: float) -> None:
    """total ← total + factor · g."""
    total += total.dtype.type(factor) * g
