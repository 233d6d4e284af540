"""Rows of a table by token id."""

from __future__ import annotations

from .tensor import Tensor


class EmbeddingOps:
    def token_ids(self, x: Tensor, vocab_size: int) -> Tensor:
        """Floats that are whole numbers in `0 … vocab_size − 1` → integer ids; anything else is an `InputError`."""
        raise NotImplementedError

    def embedding(self, ids: Tensor, table: Tensor) -> Tensor:
        """Rows of `table` (V, D), in any storage the device knows, at integer `ids` (…,) → (…, D)."""
        raise NotImplementedError

    def embedding_grad(self, ids: Tensor, vocab_size: int, gy: Tensor) -> Tensor:
        """Rows of gy (…, D) added up by id → (V, D); an id that is none adds nothing."""
        raise NotImplementedError
