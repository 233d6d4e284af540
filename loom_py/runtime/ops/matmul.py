"""Products of matrices, and mixtures."""

from __future__ import annotations

from .tensor import Tensor


class MatmulOps:
    def matmul(
        self, a: Tensor, b: Tensor, bias: Tensor | None = None, *, transpose_a: bool = False, transpose_b: bool = False
    ) -> Tensor:
        """`op(a) @ op(b) + bias` for matrices; `bias` has the width of the result."""
        raise NotImplementedError

    def mix(self, weights: Tensor, parts: Tensor) -> Tensor:
        """`Σ_k w_k part_k`: weights (B, K), parts (B, K, F) → (B, F)."""
        raise NotImplementedError

    def mix_grad(self, weights: Tensor, parts: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """→ (gweights (B, K) = ⟨g, part_k⟩, gparts (B, K, F) = w_k g)."""
        raise NotImplementedError
