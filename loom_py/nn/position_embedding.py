"""A learned vector for each position of a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..errors import ConfigError, InputError
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, Json
from .layer import Layer, Params, Shape, State, WeightFields, uniform
from .options import integer
from .registry import register


@register
@dataclass(frozen=True, kw_only=True)
class PositionEmbedding(Layer):
    """(B, S·E) → the same shape: x_t + table_t, S up to `positions`   (Gehring et al. 2017).

    JSON: `positions`, `embedding_dim` (or `embedding_size`, `d_model`).
    """

    kind = "position_embedding"
    positions: int = integer()
    embedding_dim: int = integer("embedding_dim", "embedding_size", "d_model")

    def fitted(self, f: Fields) -> Self:
        width, count = self.embedding_dim, self.in_size
        if count is not None and count % width:
            raise ConfigError(f"{width} does not divide the {count} inputs", where=f.at("embedding_dim"))
        if count is not None and count // width > self.positions:
            raise ConfigError(f"{count // width} positions are more than there are", where=f.at("positions"))
        return self

    @property
    def run_size(self) -> int | None:
        return self.embedding_dim

    def init(self, rng: np.random.Generator) -> Params:
        """~ U(±0.02)."""
        return {"positions": uniform(rng, 0.02, (self.positions, self.embedding_dim))}

    @property
    def weight_fields(self) -> WeightFields:
        return {"positions": ("position_weights", (self.positions, self.embedding_dim))}

    def check_width(self, width: int) -> None:
        super().check_width(width)
        if width > self.positions * self.embedding_dim:
            count = width // self.embedding_dim
            message = f"{count} positions are more than the {self.positions} that {self.kind} has"
            raise InputError(message, where="input", remedy="Give shorter sequences.")

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        batch, width = int(x.shape[0]), int(x.shape[1])
        ids = np.tile(np.arange(width // self.embedding_dim), batch)
        return ops.add(x, ops.reshape(ops.embedding(ids, p["positions"]), x.shape)), ids

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """gx = gy;  gtable_t = Σ_b gy_bt."""
        rows = ops.reshape(gy, (-1, self.embedding_dim))
        return gy, {"positions": ops.embedding_grad(cache, self.positions, rows)}

    @classmethod
    def recognise(cls, shapes: Mapping[str, Shape]) -> Json | None:
        if set(shapes) != {"positions"} or len(shapes["positions"]) != 2:
            return None
        rows, width = shapes["positions"]
        return {"positions": rows, "embedding_dim": width}
