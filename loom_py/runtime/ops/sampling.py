"""The next token from logits, and which tokens have been there."""

from __future__ import annotations

from .tensor import Tensor


class SamplingOps:
    def mark(self, seen: Tensor, ids: Tensor) -> None:
        """Flags seen (V,) at integer ids (T,) become 1; ids that are none do nothing. *In place*: `seen`."""
        raise NotImplementedError

    def sample(
        self,
        logits: Tensor,
        seen: Tensor,
        temperature: float,
        top_k: int,
        top_p: float,
        min_p: float,
        repetition_penalty: float,
        seed: int,
        step: int,
    ) -> Tensor:
        """logits (V,), seen (V,) flags → the next token's id (1,); `seed` has 32 bits. *Dynamic*: `temperature`,
        `top_k`, `top_p`, `min_p`, `repetition_penalty`, `seed`, `step`.
        """
        raise NotImplementedError
