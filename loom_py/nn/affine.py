"""The affine map y = x W + b and its gradient, shared by the layers that are made of it."""

from __future__ import annotations

from ..runtime.ops import Ops, Tensor


def affine_grad(
    ops: Ops, x: Tensor, weight: Tensor, g: Tensor, *, transposed: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """gW = xᵀ g;  gb = Σ_rows g;  gx = g Wᵀ, for the gradient g (R, O) of y → (gx (R, I), gW, gb (O,)).

    W is (I, O); with `transposed` it is (O, I), y = x Wᵀ + b, and gW = gᵀ x, gx = g W.
    """
    if transposed:
        g_weight, g_bias = ops.matmul(g, x, transpose_a=True), ops.sum(g, axis=0)
        return ops.matmul(g, weight), g_weight, g_bias
    g_weight, g_bias = ops.matmul(x, g, transpose_a=True), ops.sum(g, axis=0)
    return ops.matmul(g, weight, transpose_b=True), g_weight, g_bias
