"""Attention over a key–value cache, within spans of rows, and (with gradients) over whole sequences."""

from __future__ import annotations

from .tensor import Tensor


class AttentionOps:
    def attention(
        self, q: Tensor, keys: Tensor, values: Tensor, position: int, *, window: int = 0, cap: float = 0.0
    ) -> Tensor:
        """`softmax(q kᵀ / √D + causal mask) v` over a cache: q (T, heads, D), keys, values (C, kv, D) → (T, heads,
        D). *Dynamic*: `position`.
        """
        raise NotImplementedError

    def attention_grad(
        self, q: Tensor, keys: Tensor, values: Tensor, gy: Tensor, position: int, *, window: int = 0, cap: float = 0.0
    ) -> tuple[Tensor, Tensor, Tensor]:
        """→ (gq, gkeys, gvalues) of `attention`, with scores and probabilities p computed again. *Dynamic*:
        `position`.
        """
        raise NotImplementedError

    def span_attention(self, q: Tensor, keys: Tensor, values: Tensor, spans: Tensor) -> Tensor:
        """`softmax(q kᵀ / √D) v` within spans: q (T, heads, D), keys, values (T, kv, D), spans (T, 2) integers →
        like q.
        """
        raise NotImplementedError

    def attend(self, q: Tensor, k: Tensor, v: Tensor, *, causal: bool) -> tuple[Tensor, Tensor]:
        """Attention inside each sequence: q (B, T, heads, D), k, v (B, T, kv, D) → y like q, and probabilities."""
        raise NotImplementedError

    def attend_grad(
        self, q: Tensor, k: Tensor, v: Tensor, probabilities: Tensor, gy: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """→ (gq, gk, gv): gv = pᵀ gy; gs = softmax′(gy vᵀ); gq = gs k / √D; gk = gsᵀ q / √D, both summed over a
        group.
        """
        raise NotImplementedError
