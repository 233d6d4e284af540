"""Gemma (Gemma Team 2024): a Llama with scaled embeddings, norms that store their scale less one, and a GELU gate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Self

from ..runtime import Ops, Tensor
from ..schema.fields import Fields
from . import llama
from .gguf_config import GGUFConfig
from .llama import Llama, LlamaConfig
from .protocols import Tensors, Weight
from .registry import Family


def gemma_config(fields: Fields) -> LlamaConfig:
    """Of all generations. The first one's files say `hidden_act`, with another GELU than the model was trained with."""
    return LlamaConfig.read(fields, tied=True, act="gelu_pytorch_tanh", act_key="hidden_activation")


class Gemma(Llama):
    """A `Decoder`."""

    interleaved_in_gguf = False

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(gemma_config(fields))

    def weights(self) -> Iterator[Weight]:
        for weight in super().weights():
            yield replace(weight, offset=1.0) if weight.name.endswith("norm.weight") else weight

    def embed(self, ops: Ops, weights: Tensors, ids: Tensor) -> Tensor:
        """√hidden times as large as Llama's."""
        return ops.scale(super().embed(ops, weights, ids), self.config.hidden_size**0.5)


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    config = {**llama.gguf_config(gguf), "model_type": "gemma", "hidden_activation": "gelu_pytorch_tanh"}
    del config["hidden_act"]
    return config


FAMILY = Family(model_types=("gemma",), decoder=Gemma.read, architectures=("gemma",), gguf_config=gguf_config)
