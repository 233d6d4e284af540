"""Causal depthwise convolution over a sequence that comes in parts (Gu & Dao 2023; LFM2's short convolutions)."""

from __future__ import annotations

from .tensor import Tensor


class ShortConvOps:
    def short_conv(self, x: Tensor, weight: Tensor, state: Tensor, bias: Tensor | None = None) -> Tensor:
        """`y[t,c] = Σ_j weight[c,0,j] x[t+j−K+1, c] + bias[c]`: x (T, C), weight (C, 1, K), bias (C,) → like x. *In
        place*: `state`.
        """
        raise NotImplementedError
