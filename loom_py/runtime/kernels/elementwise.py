"""Arithmetic element by element."""

from __future__ import annotations

from ..kernel import Array, kernel
from ..signature import signature


@kernel(shapes=signature("a *, b *", "a"))
def add(a: Array, b: Array) -> Array:
    """`a + b`, equal shapes."""
    return a + b


@kernel(shapes=signature("a *, b *", "a"))
def mul(a: Array, b: Array) -> Array:
    """`a · b`, equal shapes."""
    return a * b


@kernel(shapes=signature("x *", "x"))
def scale(x: Array, factor: float) -> Array:
    """`factor · x`."""
    return x * x.dtype.type(factor)


@kernel(shapes=signature("total *, g *", cost="64 *"), in_place=("total",))
def accumulate(total: Array, g: Array, factor: float) -> None:
    """`total ← total + factor · g`."""
    total += total.dtype.type(factor) * g
