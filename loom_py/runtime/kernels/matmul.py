"""Products of matrices, and mixtures."""

from __future__ import annotations

from typing import Any

from ..abstract import Abstract, alike, misfit
from ..kernel import Array, kernel
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


@kernel(shapes=signature("a R S, b _ _, bias _", rule=_product, cost=_multiplications))
def matmul(
    a: Array, b: Array, bias: Array | None = None, *, transpose_a: bool = False, transpose_b: bool = False
) -> Array:
    """`op(a) @ op(b) + bias` for matrices; `bias` has the width of the result."""
    y = (a.T if transpose_a else a) @ (b.T if transpose_b else b)
    if bias is not None:
        y += bias
    return y


@kernel(shapes=signature("weights B K, parts B K F", "B F", cost="2 B K F"))
def mix(weights: Array, parts: Array) -> Array:
    """`Σ_k w_k part_k`: weights (B, K), parts (B, K, F) → (B, F)."""
    return (weights[:, None, :] @ parts)[:, 0]


@kernel(shapes=signature("weights B K, parts B K F, g B F", "weights", "parts"))
def mix_grad(weights: Array, parts: Array, g: Array) -> tuple[Array, Array]:
    """→ (gweights (B, K) = ⟨g, part_k⟩, gparts (B, K, F) = w_k g)."""
    return (parts @ g[:, :, None])[:, :, 0], weights[:, :, None] * g[:, None, :]
