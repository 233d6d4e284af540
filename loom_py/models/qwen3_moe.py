"""Qwen3-MoE (Yang et al. 2025): a Qwen3 with mixtures of experts in its layers."""

from __future__ import annotations

from typing import Any, Self

from ..schema.fields import Fields
from . import llama
from .config import read_windows
from .gguf_config import GGUFConfig
from .llama import LlamaConfig
from .mixture import Mixture, gguf_mixture
from .mixture_llama import MixtureLlama
from .registry import Family


class Qwen3MoE(MixtureLlama):
    """A `Decoder`."""

    interleaved_in_gguf = False
    head_norms = True

    @classmethod
    def read(cls, fields: Fields) -> Self:
        config = LlamaConfig.read(fields)
        layers = config.num_hidden_layers
        inner = fields.integer("moe_intermediate_size", default=768, maximum=1 << 22)
        mixture = Mixture.read(fields, inner, experts=128, chosen=8)
        every = fields.integer("decoder_sparse_step", default=1)
        dense = fields.integers("mlp_only_layers", default=(), maximum=4096)
        mixtures = [mixture if (i + 1) % every == 0 and i not in dense else None for i in range(layers)]
        return cls(config, mixtures, read_windows(fields, layers, used=False, default=4096))


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    return {
        **llama.gguf_config(gguf, experts=True),
        **gguf_mixture(gguf),
        "model_type": "qwen3_moe",
        "moe_intermediate_size": gguf.integer("expert_feed_forward_length"),
        "norm_topk_prob": True,  # which GGUF's readers take for granted
    }


FAMILY = Family(
    model_types=("qwen3_moe",), decoder=Qwen3MoE.read, architectures=("qwen3moe",), gguf_config=gguf_config
)  # fmt: skip
