"""Arithmetic element by element."""

from __future__ import annotations

from ..abstract import like, nothing, same
from ..kernel import Array, kernel


@kernel(shapes=same("a", "b"))
def add(a: Array, b: Array) -> Array:
    """`a + b`, equal shapes."""
    return a + b


@kernel(shapes=same("a", "b"))
def mul(a: Array, b: Array) -> Array:
    """`a · b`, equal shapes."""
    return a * b


@kernel(shapes=like("x"))
def scale(x: Array, factor: float) -> Array:
    """`factor · x`."""
    return x * x.dtype.type(factor)


@kernel(shapes=nothing, in_place=("total",))
def accumulate(total: Array, g: Array, factor: float) -> None:
    """`total ← total + factor · g`."""
    total += total.dtype.type(factor) * g
