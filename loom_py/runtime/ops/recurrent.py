"""Recurrent sequences and backpropagation through them; the input products are made outside, all steps at once."""

from __future__ import annotations

from .tensor import Tensor


class RecurrentOps:
    def rnn_sequence(self, zx: Tensor, w_hh: Tensor, h0: Tensor) -> Tensor:
        """`h_t = tanh(zx_t + W_hh h_{t−1})` (Elman 1990): zx (B, T, H), w_hh (H, H), h0 (B, H) → h (B, T, H)."""
        raise NotImplementedError

    def rnn_sequence_grad(self, h: Tensor, w_hh: Tensor, h0: Tensor, gh: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Backpropagation through time → (gzx (B, T, H), gw_hh (H, H), gh0 (B, H))."""
        raise NotImplementedError

    def lstm_sequence(self, zx: Tensor, w_hh: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """zx (B, T, 4H), w_hh (4H, H), h0, c0 (B, H) → h (B, T, H), c (B, T, H), gates i, f, g, o (B, T, 4H)."""
        raise NotImplementedError

    def lstm_sequence_grad(
        self, h: Tensor, c: Tensor, gates: Tensor, w_hh: Tensor, h0: Tensor, c0: Tensor, gh: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """→ (gzx (B, T, 4H), gw_hh (4H, H), gh0 (B, H), gc0 (B, H)): the chain rule, last step to first."""
        raise NotImplementedError
