"""Rotary positions, and writing rows to a key–value cache."""

from __future__ import annotations

from .tensor import Tensor


class RopeOps:
    def rope(self, x: Tensor, position: int, inverse_frequencies: Tensor, *, inverse: bool = False) -> Tensor:
        """`(a, b) → (a cos − b sin, b cos + a sin)`, angle = p · f_i, pairs (i, i + D/2) (Su et al. 2021; Llama's
        layout). *Dynamic*: `position`.
        """
        raise NotImplementedError

    def cache_write(self, cache: Tensor, x: Tensor, position: int) -> None:
        """Rows `position …` of cache (C, heads, D) become x (T, heads, D). *In place*: `cache`. *Dynamic*:
        `position`.
        """
        raise NotImplementedError

    def rope_cache(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        keys: Tensor,
        values: Tensor,
        position: int,
        inverse_frequencies: Tensor,
        row: int | None = None,
    ) -> Tensor:
        """Rotated `k` and `v` go to the caches (`rope`, `cache_write`) → rotated `q`. *In place*: `keys`, `values`.
        *Dynamic*: `position`, `row`.
        """
        raise NotImplementedError
