"""Granite 3 (IBM 2024): a Llama with factors for embeddings, attention, both halves of a block, and logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from ..runtime import Ops, Tensor
from ..schema.fields import Fields
from . import llama
from .gguf_config import GGUFConfig
from .llama import Llama, LlamaConfig
from .protocols import Tensors
from .registry import Family


@dataclass(frozen=True)
class Multipliers:
    """`logits` divides, the others multiply."""

    embedding: float
    attention: float
    residual: float
    logits: float


class Granite(Llama):
    """A `Decoder`."""

    def __init__(self, config: LlamaConfig, multipliers: Multipliers) -> None:
        super().__init__(config)
        self.multipliers = multipliers
        self.query_factor *= multipliers.attention * config.head_dim**0.5
        self.residual_factor = multipliers.residual

    @classmethod
    def read(cls, fields: Fields) -> Self:
        keys = ("embedding_multiplier", "attention_multiplier", "residual_multiplier", "logits_scaling")
        factors = [fields.number(key, default=1.0, above=0) for key in keys]
        return cls(LlamaConfig.read(fields), Multipliers(*factors))

    def gguf_entries(self) -> dict[str, Any]:
        m = self.multipliers
        scales = {"embedding_scale": m.embedding, "residual_scale": m.residual, "logit_scale": m.logits}
        return {**super().gguf_entries(), "attention.scale": m.attention, **scales}

    def embed(self, ops: Ops, weights: Tensors, ids: Tensor) -> Tensor:
        return ops.scale(super().embed(ops, weights, ids), self.multipliers.embedding)

    def logits(self, ops: Ops, weights: Tensors, hidden: Tensor) -> Tensor:
        return ops.scale(super().logits(ops, weights, hidden), 1 / self.multipliers.logits)


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    return {
        **llama.gguf_config(gguf),
        "model_type": "granite",
        "embedding_multiplier": gguf.decimal("embedding_scale", 1.0),
        "attention_multiplier": gguf.decimal("attention.scale", 1.0),
        "residual_multiplier": gguf.decimal("residual_scale", 1.0),
        "logits_scaling": gguf.decimal("logit_scale", 1.0),
    }


FAMILY = Family(model_types=("granite",), decoder=Granite.read, architectures=("granite",), gguf_config=gguf_config)
