"""Qwen3 (Yang et al. 2025): a Llama that normalises each head of queries and keys before rotating it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from ..runtime import Ops, Tensor
from ..schema.fields import Fields
from . import llama
from .gguf_config import GGUFConfig
from .llama import LlamaConfig
from .mistral import Mistral
from .protocols import Tensors, Weight
from .qwen2 import qwen_windows
from .registry import Family


class Qwen3(Mistral):
    """A `Decoder`."""

    interleaved_in_gguf = False

    @classmethod
    def read(cls, fields: Fields) -> Self:
        config = LlamaConfig.read(fields)
        return cls(config, qwen_windows(fields, config.num_hidden_layers))

    def attention_weights(self, module: str, blk: str) -> Iterator[Weight]:
        yield from super().attention_weights(module, blk)
        for name in ("q_norm", "k_norm"):
            yield Weight(f"{module}.{name}.weight", (self.config.head_dim,), gguf=f"{blk}.attn_{name}.weight")

    def heads(self, ops: Ops, weights: Tensors, module: str, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = super().heads(ops, weights, module, h)
        q = self.norm(ops, weights, f"{module}.q_norm", q)
        return q, self.norm(ops, weights, f"{module}.k_norm", k), v


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    return {**llama.gguf_config(gguf), "model_type": "qwen3"}


FAMILY = Family(model_types=("qwen3",), decoder=Qwen3.read, architectures=("qwen3",), gguf_config=gguf_config)
