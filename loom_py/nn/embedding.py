"""Token ids to vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, Json
from .layer import Array, Layer, Params, Shape, State, WeightFields, uniform
from .options import integer
from .registry import register


@register
@dataclass(frozen=True, kw_only=True)
class Embedding(Layer):
    """(B, S) whole numbers below `vocab_size` → (B, S·E), a row of the table each; other numbers are errors.

    JSON: `vocab_size`, `embedding_dim` (or `embedding_size`, `d_model`), `seq_length` (S, default: as many as come).
    """

    kind = "embedding"
    number = 11
    checks_input = True
    vocab_size: int = integer()
    embedding_dim: int = integer("embedding_dim", "embedding_size", "d_model")

    def fitted(self, f: Fields) -> Self:
        length = f.integer("seq_length", default=self.in_size)
        return replace(self, in_size=length, out_size=None if length is None else length * self.embedding_dim)

    def to_json(self) -> Json:
        return super().to_json() | ({} if self.in_size is None else {"seq_length": self.in_size})

    @property
    def out_shape(self) -> Shape:
        return () if self.out_size is None else (self.out_size // self.embedding_dim, self.embedding_dim)

    def init(self, rng: np.random.Generator) -> Params:
        """~ U(±1/√E)."""
        return {"table": uniform(rng, self.embedding_dim**-0.5, (self.vocab_size, self.embedding_dim))}

    @property
    def weight_fields(self) -> WeightFields:
        return {"table": ("embedding_weights", (self.vocab_size, self.embedding_dim))}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        ids = ops.token_ids(x, self.vocab_size)
        y = ops.embedding(ids, p["table"])
        return ops.reshape(y, (x.shape[0], -1)), (x, ids)

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """gE[v] = Σ_{t: id_t = v} gy_t; ids themselves have no gradient."""
        x, ids = cache
        rows = ops.reshape(gy, (*ids.shape, self.embedding_dim))
        return ops.zeros(x.shape, like=gy), {"table": ops.embedding_grad(ids, self.vocab_size, rows)}

    def gradients_flat(self, grads: Params) -> tuple[list[Array], list[Array]]:
        return [grads["table"]], []

    @classmethod
    def recognise(cls, shapes: Mapping[str, Shape]) -> Json | None:
        if set(shapes) != {"table"} or len(shapes["table"]) != 2:
            return None
        rows, width = shapes["table"]
        return {"vocab_size": rows, "embedding_dim": width}
