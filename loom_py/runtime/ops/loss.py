"""Losses and their gradients: every loss is a mean over all n values of `y`, whatever its shape."""

from __future__ import annotations

from .tensor import Tensor


class LossOps:
    def loss(self, name: str, y: Tensor, target: Tensor, delta: float = 1.0) -> Tensor:
        """A loss of the list below: the mean over all values, a scalar; `delta` is Huber's."""
        raise NotImplementedError

    def loss_grad(self, name: str, y: Tensor, target: Tensor, delta: float = 1.0) -> Tensor:
        """Its gradient with respect to `y`."""
        raise NotImplementedError

    def token_loss(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """Cross-entropy of tokens: the mean of `ln Σ_v e^z_v − (1 − ε) z_target − ε mean_v z_v` over rows z of the
        logits.
        """
        raise NotImplementedError

    def token_loss_grad(self, logits: Tensor, targets: Tensor, g: Tensor, smoothing: float = 0.0) -> Tensor:
        """Its gradient times the scalar g, in the rows that count: `g (softmax(z) − (1 − ε) [v = target] − ε / V) /
        n`.
        """
        raise NotImplementedError
