"""Token ids to vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, Json
from . import activation
from .layer import Array, Layer, Params, State
from .registry import register


@register
@dataclass(frozen=True, kw_only=True)
class Embedding(Layer):
    """(B, S) whole numbers below `vocab_size` → (B, S·E), a row of the table each; other numbers are errors.

    JSON: `vocab_size`, `embedding_dim` (or `embedding_size`, `d_model`), `seq_length` (S, default: as many as come).
    """

    kind = "embedding"
    vocab_size: int
    embedding_dim: int

    @classmethod
    def from_fields(cls, f: Fields, in_size: int | None) -> Self:
        activation.resolve(f.any("activation"), f.at("activation"))
        vocab, width = f.integer("vocab_size"), f.integer("embedding_dim", "embedding_size", "d_model")
        length = f.integer("seq_length", default=in_size)
        out = None if length is None else length * width
        return cls(in_size=length, out_size=out, vocab_size=vocab, embedding_dim=width)

    def to_json(self) -> Json:
        sizes: Json = {"vocab_size": self.vocab_size, "embedding_dim": self.embedding_dim}
        length = {} if self.in_size is None else {"seq_length": self.in_size}
        return {"type": self.kind, "activation": "linear", **sizes, **length}

    def init(self, rng: np.random.Generator) -> Params:
        """~ U(±1/√E)."""
        bound = self.embedding_dim**-0.5
        return {"table": rng.uniform(-bound, bound, (self.vocab_size, self.embedding_dim)).astype(np.float32)}

    @property
    def weight_fields(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        return {"table": ("embedding_weights", (self.vocab_size, self.embedding_dim))}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State) -> tuple[Tensor, Any]:
        ids = ops.token_ids(x, self.vocab_size)
        y = ops.embedding(ids, p["table"])
        return ops.reshape(y, (x.shape[0], -1)), (x, ids)

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """Rows of gy added up by id; ids themselves have no gradient."""
        x, ids = cache
        rows = ops.reshape(gy, (*ids.shape, self.embedding_dim))
        return ops.zeros(x.shape, like=gy), {"table": ops.embedding_grad(ids, self.vocab_size, rows)}

    def gradients_flat(self, grads: Params) -> tuple[list[Array], list[Array]]:
        return [grads["table"]], []
