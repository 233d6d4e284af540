"""Arithmetic element by element."""

from __future__ import annotations

from ..kernel import Array, Gradients, kernel
from ..ops import Ops, Tensor
from ..signature import signature


def _add_rule(ops: Ops, y: Tensor, gy: Tensor, /, a: Tensor, b: Tensor) -> Gradients:
    return {"a": gy, "b": gy}


@kernel(shapes=signature("a *, b *", "a"), gradient=_add_rule)
def add(a: Array, b: Array) -> Array:
    """`a + b`, equal shapes."""
    return a + b


def _mul_rule(ops: Ops, y: Tensor, gy: Tensor, /, a: Tensor, b: Tensor) -> Gradients:
    return {"a": ops.mul(gy, b), "b": ops.mul(gy, a)}


@kernel(shapes=signature("a *, b *", "a"), gradient=_mul_rule)
def mul(a: Array, b: Array) -> Array:
    """`a · b`, equal shapes."""
    return a * b


def _scale_rule(ops: Ops, y: Tensor, gy: Tensor, /, x: Tensor, factor: float) -> Gradients:
    return {"x": ops.scale(gy, factor)}


@kernel(shapes=signature("x *", "x"), gradient=_scale_rule)
def scale(x: Array, factor: float) -> Array:
    """`factor · x`."""
    return x * x.dtype.type(factor)


def _accumulate_rule(ops: Ops, y: Tensor, gy: Tensor, /, total: Tensor, g: Tensor, factor: float) -> Gradients:
    return {"total": gy, "g": ops.scale(gy, factor)}


@kernel(shapes=signature("total *, g *", cost="64 *"), in_place=("total",), gradient=_accumulate_rule)
def accumulate(total: Array, g: Array, factor: float) -> None:
    """`total ← total + factor · g`."""
    total += total.dtype.type(factor) * g
