"""Products with weights in any storage, alone and together with what a decoder does before and after them."""

from __future__ import annotations

from collections.abc import Sequence

from .tensor import Tensor


class LinearOps:
    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """`x @ weightᵀ + bias`: x (…, I), weight (O, I) in any storage the device knows, bias (O,) → (…, O)."""
        raise NotImplementedError

    def norm_linear(
        self, x: Tensor, gamma: Tensor, eps: float, weights: Sequence[Tensor], biases: Sequence[Tensor | None]
    ) -> tuple[Tensor, ...]:
        """`linear(rms_norm(x), weight, bias)` for each of several weights."""
        raise NotImplementedError

    def norm_gate_up(
        self,
        x: Tensor,
        gamma: Tensor,
        eps: float,
        gate: Tensor,
        up: Tensor,
        gate_bias: Tensor | None = None,
        up_bias: Tensor | None = None,
    ) -> Tensor:
        """`silu_mul(linear(h, gate), linear(h, up))` with `h = rms_norm(x)`."""
        raise NotImplementedError

    def linear_add(self, x: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor) -> Tensor:
        """`residual + linear(x, weight, bias)`."""
        raise NotImplementedError
