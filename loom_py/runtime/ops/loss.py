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
