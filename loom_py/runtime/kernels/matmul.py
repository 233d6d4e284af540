"""Products of matrices, and mixtures."""

from __future__ import annotations

from typing import Any

from ..abstract import Abstract, alike, misfit
from ..kernel import Array, Gradients, kernel
from ..ops import Ops, Tensor
from ..signature import signature


def _product(
    a: Array, b: Array, bias: Array | None = None, *, transpose_a: bool = False, transpose_b: bool = False
) -> Abstract:
    (m, k), (rows, n) = a.shape[:: -1 if transpose_a else 1], b.shape[:: -1 if transpose_b else 1]
    if k != rows or (bias is not None and tuple(bias.shape) != (n,)):
        raise misfit(f"no product of {tuple(a.shape)} and {tuple(b.shape)}")
    return alike(a, (m, n))


def _multiplications(a: Any, b: Any, transpose_b: bool = False, **_: Any) -> int:
    return a.size * b.shape[0 if transpose_b else 1]


def _matmul_rule(
    ops: Ops,
    y: Tensor,
    gy: Tensor,
    /,
    a: Tensor,
    b: Tensor,
    bias: Tensor | None,
    transpose_a: bool,
    transpose_b: bool,
) -> Gradients:
    """With A = op(a), B = op(b): gA = gy Bᵀ, gB = Aᵀ gy, each transposed as its operand is; gbias = Σ_rows gy."""
    if transpose_a:
        ga = ops.matmul(b, gy, transpose_a=transpose_b, transpose_b=True)
    else:
        ga = ops.matmul(gy, b, transpose_b=not transpose_b)
    if transpose_b:
        gb = ops.matmul(gy, a, transpose_a=True, transpose_b=transpose_a)
    else:
        gb = ops.matmul(a, gy, transpose_a=not transpose_a)
    return {"a": ga, "b": gb, "bias": None if bias is None else ops.sum(gy, axis=0)}


@kernel(shapes=signature("a R S, b _ _, bias _", rule=_product, cost=_multiplications), gradient=_matmul_rule)
def matmul(
    a: Array, b: Array, bias: Array | None = None, *, transpose_a: bool = False, transpose_b: bool = False
) -> Array:
    """`op(a) @ op(b) + bias` for matrices; `bias` has the width of the result."""
    y = (a.T if transpose_a else a) @ (b.T if transpose_b else b)
    if bias is not None:
        y += bias
    return y


def _mix_rule(ops: Ops, y: Tensor, gy: Tensor, /, weights: Tensor, parts: Tensor) -> Gradients:
    gweights, gparts = ops.mix_grad(weights, parts, gy)
    return {"weights": gweights, "parts": gparts}


@kernel(shapes=signature("weights B K, parts B K F", "B F", cost="2 B K F"), gradient=_mix_rule)
def mix(weights: Array, parts: Array) -> Array:
    """`Σ_k w_k part_k`: weights (B, K), parts (B, K, F) → (B, F)."""
    return (weights[:, None, :] @ parts)[:, 0]


@kernel(shapes=signature("weights B K, parts B K F, g B F", "weights", "parts"))
def mix_grad(weights: Array, parts: Array, g: Array) -> tuple[Array, Array]:
    """→ (gweights (B, K) = ⟨g, part_k⟩, gparts (B, K, F) = w_k g)."""
    return (parts @ g[:, :, None])[:, :, 0], weights[:, :, None] * g[:, None, :]
