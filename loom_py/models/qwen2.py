"""Qwen2 (Yang et al. 2024): a Llama with biases on queries, keys and values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from ..schema.fields import Fields
from . import llama
from .config import refuse_window
from .gguf_config import GGUFConfig
from .llama import Llama
from .protocols import Weight
from .registry import Family


class Qwen2(Llama):
    """A `Decoder`."""

    interleaved_in_gguf = False

    @classmethod
    def read(cls, fields: Fields) -> Self:
        refuse_window(fields)
        return super().read(fields)

    def attention_weights(self, module: str, blk: str) -> Iterator[Weight]:
        yield from super().attention_weights(module, blk)
        c = self.config
        queries, keys = c.num_attention_heads * c.head_dim, c.num_key_value_heads * c.head_dim
        for name, rows in (("q", queries), ("k", keys), ("v", keys)):
            yield Weight(f"{module}.{name}_proj.bias", (rows,), gguf=f"{blk}.attn_{name}.bias")


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    return {**llama.gguf_config(gguf), "model_type": "qwen2", "attention_bias": False}


FAMILY = Family(model_types=("qwen2",), decoder=Qwen2.read, architectures=("qwen2",), gguf_config=gguf_config)
