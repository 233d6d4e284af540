"""ERNIE 4.5 (Baidu 2025), the dense models: a Llama whose rotary embeddings turn neighbouring elements of a head."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

from ..schema.fields import Fields
from . import llama
from .gguf_config import GGUFConfig
from .llama import Llama, LlamaConfig
from .registry import Family


class Ernie45(Llama):
    """A `Decoder`."""

    interleaved = True

    @classmethod
    def read(cls, fields: Fields) -> Self:
        bias = fields.boolean("use_bias")
        config = LlamaConfig.read(fields, tied=True, eps=1e-5, theta=500000.0, head_dim=128)
        return cls(replace(config, attention_bias=bias, mlp_bias=bias))


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    config = llama.gguf_config(gguf)
    return {**config, "model_type": "ernie4_5", "use_bias": config["attention_bias"]}


FAMILY = Family(model_types=("ernie4_5",), decoder=Ernie45.read, architectures=("ernie4_5",), gguf_config=gguf_config)
