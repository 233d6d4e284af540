"""Helium (Kyutai 2025): a Llama whose rotary embeddings turn neighbouring elements of a head."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from ..schema.fields import Fields
from .llama import Llama, LlamaConfig
from .protocols import Weight
from .registry import Family


class Helium(Llama):
    """A `Decoder`."""

    interleaved = True

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(LlamaConfig.read(fields, eps=1e-8, theta=100000.0, head_dim=128))

    def attention_weights(self, module: str, blk: str) -> Iterator[Weight]:
        """As Llama's, but the output never has a bias."""
        for weight in super().attention_weights(module, blk):
            if weight.name != f"{module}.o_proj.bias":
                yield weight


FAMILY = Family(model_types=("helium",), decoder=Helium.read)
