"""Matrix products, and mixtures as products."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


def matmul(
    a: Array, b: Array, bias: Array | None = None, *, transpose_a: bool = False, transpose_b: bool = False
) -> Array:
    """`op(a) @ op(b) + bias`."""
    y = (a.T if transpose_a else a) @ (b.T if transpose_b else b)
    if bias is not None:
        y += bias
    return y


def mix(weights: Array, parts: Array) -> Array:
    """Σ_k w_k part_k: weights (B, K), parts (B, K, F) → (B, F)."""
    return (weights[:, None, :] @ parts)[:, 0]


def mix_grad(weights: Array, parts: Array, g: Array) -> tuple[Array, Array]:
    """→ (gweights (B, K) = ⟨g, part_k⟩, gparts (B, K, F) = w_k g)."""
    return (parts @ g[:, :, None])[:, :, 0], weights[:, :, None] * g[:, None, :]
