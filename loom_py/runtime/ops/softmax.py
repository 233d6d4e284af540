"""The softmax family over the last axis."""

from __future__ import annotations

from ..softmax_tree import Tree
from .tensor import Tensor


class SoftmaxOps:
    def softmax(self, x: Tensor) -> Tensor:
        """`e^(x − max) / Σ`."""
        raise NotImplementedError

    def softmax_grad(self, y: Tensor, g: Tensor) -> Tensor:
        """`y · (g − Σ g·y)`, given the output `y`."""
        raise NotImplementedError

    def temper(self, x: Tensor, temperature: float) -> Tensor:
        """`max((x − max) / T, −3·10³⁸)`: logits at a temperature T ≥ 10⁻³⁷, but for a shift."""
        raise NotImplementedError

    def masked_softmax(self, x: Tensor, mask: Tensor) -> Tensor:
        """Softmax over the entries where the boolean `mask` (last axis) is set, else 0; `softmax_grad` fits it."""
        raise NotImplementedError

    def sparsemax(self, x: Tensor) -> Tensor:
        """`max(x − τ, 0)`, projection onto the simplex (Martins & Astudillo 2016); gradient: `entmax_grad`, α = 2."""
        raise NotImplementedError

    def entmax(self, x: Tensor, alpha: float) -> Tensor:
        """`p_i = max((α−1) x_i − τ, 0)^(1/(α−1))` with τ such that Σ p = 1, α ≥ 1 (Peters et al. 2019)."""
        raise NotImplementedError

    def entmax_grad(self, y: Tensor, g: Tensor, alpha: float) -> Tensor:
        """`s ⊙ (g − Σ s·g / Σ s)` with s = y^(2−α) on the support, 0 off it."""
        raise NotImplementedError

    def tree_softmax(self, x: Tensor, tree: Tree) -> Tensor:
        """Products of sibling softmaxes down a tree (Morin & Bengio 2005): x (B, N) or (B, F) → (B, F), sums to 1."""
        raise NotImplementedError

    def tree_softmax_grad(self, x: Tensor, y: Tensor, g: Tensor, tree: Tree) -> Tensor:
        """→ gx: the chain rule back through the product and the group softmaxes."""
        raise NotImplementedError
