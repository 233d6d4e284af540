"""Mixtures of experts (Shazeer et al. 2017; Fedus et al. 2021): which experts a token has, and products with theirs."""

from __future__ import annotations

from .tensor import Tensor


class ExpertsOps:
    def route(self, logits: Tensor, count: int, *, normalised: bool) -> tuple[Tensor, Tensor]:
        """The `count` most likely of softmax(logits), logits (T, E) → ids (T, count), and their probabilities like
        that.
        """
        raise NotImplementedError

    def route_grad(self, logits: Tensor, ids: Tensor, g: Tensor, *, normalised: bool) -> Tensor:
        """→ glogits from the gradient g (T, K) of the probabilities p of the experts ids (T, K), which `route` has
        chosen.
        """
        raise NotImplementedError

    def expert_linear(self, x: Tensor, ids: Tensor, weight: Tensor, experts: int) -> Tensor:
        """`y[t,k] = x[t,k] @ Wᵀ`, W the rows of expert ids[t,k]: x (T, K or 1, I), weight (experts · O, I) → (T, K,
        O).
        """
        raise NotImplementedError

    def expert_linear_grad(
        self, x: Tensor, ids: Tensor, weight: Tensor, experts: int, gy: Tensor
    ) -> tuple[Tensor, Tensor]:
        """→ (gx, gweight): gx[t,k] = gy[t,k] W, added up over k where x has one row a token; gW = Σ gyᵀ x."""
        raise NotImplementedError
