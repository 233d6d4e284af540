"""Normalisation over the last axis. Squares are summed in float64, where no float32 overflows."""

from __future__ import annotations

from .tensor import Tensor


class NormOps:
    def rms_norm(self, x: Tensor, gamma: Tensor, eps: float) -> Tensor:
        """`x / sqrt(mean(x²) + eps) · gamma` over the last axis (Zhang & Sennrich 2019)."""
        raise NotImplementedError

    def rms_norm_grad(self, x: Tensor, gamma: Tensor, eps: float, gy: Tensor) -> tuple[Tensor, Tensor]:
        """→ (gx, ggamma)."""
        raise NotImplementedError

    def layer_norm(self, x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
        """`(x − mean) / sqrt(var + eps) · gamma + beta` over the last axis, population variance (Ba et al. 2016)."""
        raise NotImplementedError

    def layer_norm_grad(self, x: Tensor, gamma: Tensor, eps: float, gy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """→ (gx, ggamma, gbeta)."""
        raise NotImplementedError
