"""Normalisation of channels over a batch: x (B, C, S), S positions a channel. Sums are taken in float64."""

from __future__ import annotations

from .tensor import Tensor


class BatchNormOps:
    def batch_statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and population variance of each channel: x (B, C, S) → (C,), (C,)."""
        raise NotImplementedError

    def batch_norm(self, x: Tensor, mean: Tensor, variance: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
        """`(x − mean) / sqrt(variance + eps) · gamma + beta`, x (B, C, S), the others (C,) (Ioffe & Szegedy 2015)."""
        raise NotImplementedError

    def batch_norm_grad(
        self, x: Tensor, mean: Tensor, variance: Tensor, gamma: Tensor, eps: float, gy: Tensor, own: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """→ (gx, ggamma, gbeta); with `own`, mean and variance are those of x, and gx passes through them too."""
        raise NotImplementedError
