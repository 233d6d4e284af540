"""Gemma 2 (Gemma Team 2024): norms before and after each half of a block, windows in every other layer, soft caps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from ..runtime import Ops, Tensor
from ..schema.fields import Fields
from . import gemma
from .blocks import soft_cap
from .config import read_cap, read_windows
from .gemma import Gemma, gemma_config
from .gguf_config import GGUFConfig
from .llama import LlamaConfig
from .protocols import Chunk, Tensors, Weight
from .registry import Family


class SandwichGemma(Gemma):
    """What Gemma 2 and 3 share.

    - `query_scale`: what products of queries and keys are multiplied with.
    - `caps`: where these level off, and logits; 0 for nowhere.
    """

    def __init__(self, config: LlamaConfig, windows: list[int], query_scale: float, caps: tuple[float, float]) -> None:
        super().__init__(config, windows)
        self.query_factor *= query_scale * config.head_dim**0.5
        self.score_cap, self.logit_cap = caps

    def block_weights(self, block: str, blk: str) -> Iterator[Weight]:
        for name, gguf in (
            ("input_layernorm", "attn_norm"),
            ("post_attention_layernorm", "post_attention_norm"),
            ("pre_feedforward_layernorm", "ffn_norm"),
            ("post_feedforward_layernorm", "post_ffw_norm"),
        ):
            yield from self.norm_weights(f"{block}.{name}", f"{blk}.{gguf}")
        yield from self.attention_weights(f"{block}.self_attn", blk)
        yield from self.mlp_weights(f"{block}.mlp", blk)

    def block(self, ops: Ops, weights: Tensors, layer: int, x: Tensor, chunk: Chunk) -> Tensor:
        """x + norm(attention(norm(x))), then + norm(mlp(norm(·))); x (T, hidden)."""
        block = f"model.layers.{layer}"
        h = self.norm(ops, weights, f"{block}.input_layernorm", x)
        h = self.attention(ops, weights, f"{block}.self_attn", layer, h, chunk)
        x = ops.add(x, self.norm(ops, weights, f"{block}.post_attention_layernorm", h))
        h = self.norm(ops, weights, f"{block}.pre_feedforward_layernorm", x)
        h = self.mlp(ops, weights, f"{block}.mlp", h)
        return ops.add(x, self.norm(ops, weights, f"{block}.post_feedforward_layernorm", h))

    def gguf_entries(self) -> dict[str, Any]:
        caps = {"attn_logit_softcapping": self.score_cap, "final_logit_softcapping": self.logit_cap}
        return {**super().gguf_entries(), **{key: cap for key, cap in caps.items() if cap}}

    def logits(self, ops: Ops, weights: Tensors, hidden: Tensor) -> Tensor:
        return soft_cap(ops, super().logits(ops, weights, hidden), self.logit_cap)


class Gemma2(SandwichGemma):
    """A `Decoder`."""

    @classmethod
    def read(cls, fields: Fields) -> Self:
        config = gemma_config(fields)
        return cls(
            config,
            read_windows(fields, config.num_hidden_layers, pattern=2, default=4096),
            fields.number("query_pre_attn_scalar", default=256.0, above=0) ** -0.5,
            (read_cap(fields, "attn_logit_softcapping", 50.0), read_cap(fields, "final_logit_softcapping", 30.0)),
        )


def query_divisor(config: dict[str, Any], largest: int) -> int:
    """`query_pre_attn_scalar`, which GGUF does not have.

    It is the size of a head, except in the model with the most layers, where it is the width a head.
    """
    if config["num_hidden_layers"] == largest:
        return config["hidden_size"] // config["num_attention_heads"]
    return config["head_dim"]


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    config = {**gemma.gguf_config(gguf), "model_type": "gemma2"}
    return {
        **config,
        "query_pre_attn_scalar": query_divisor(config, 46),
        "sliding_window": gguf.integer("attention.sliding_window", 4096),
        "attn_logit_softcapping": gguf.decimal("attn_logit_softcapping", 50.0),
        "final_logit_softcapping": gguf.decimal("final_logit_softcapping", 30.0),
    }


FAMILY = Family(model_types=("gemma2",), decoder=Gemma2.read, architectures=("gemma2",), gguf_config=gguf_config)
