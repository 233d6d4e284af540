"""OLMo 2 (OLMo Team 2024): norms behind each half of a block in place of before, and over all queries and keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from ..runtime import Ops, Tensor
from ..schema.fields import Fields
from . import llama
from .blocks import linear
from .gguf_config import GGUFConfig
from .llama import Llama, LlamaConfig
from .protocols import Chunk, Tensors, Weight
from .registry import Family


class OLMo2(Llama):
    """A `Decoder`."""

    interleaved_in_gguf = False

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(LlamaConfig.read(fields))

    def block_weights(self, block: str, blk: str) -> Iterator[Weight]:
        yield from self.attention_weights(f"{block}.self_attn", blk)
        yield from self.norm_weights(f"{block}.post_attention_layernorm", f"{blk}.post_attention_norm")
        yield from self.mlp_weights(f"{block}.mlp", blk)
        yield from self.norm_weights(f"{block}.post_feedforward_layernorm", f"{blk}.post_ffw_norm")

    def attention_weights(self, module: str, blk: str) -> Iterator[Weight]:
        yield from super().attention_weights(module, blk)
        yield from whole_norm_weights(self.config, module, blk)

    def block(self, ops: Ops, weights: Tensors, layer: int, x: Tensor, chunk: Chunk) -> Tensor:
        """x + norm(attention(x)), then + norm(mlp(·)); x (T, hidden)."""
        block = f"model.layers.{layer}"
        h = self.attention(ops, weights, f"{block}.self_attn", layer, x, chunk)
        x = ops.add(x, self.norm(ops, weights, f"{block}.post_attention_layernorm", h))
        h = self.mlp(ops, weights, f"{block}.mlp", x)
        return ops.add(x, self.norm(ops, weights, f"{block}.post_feedforward_layernorm", h))

    def heads(self, ops: Ops, weights: Tensors, module: str, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return whole_normed_heads(self, ops, weights, module, h)


def whole_norm_weights(c: LlamaConfig, module: str, blk: str) -> Iterator[Weight]:
    """Of norms over all queries and over all keys."""
    for name, heads in (("q_norm", c.num_attention_heads), ("k_norm", c.num_key_value_heads)):
        yield Weight(f"{module}.{name}.weight", (heads * c.head_dim,), gguf=f"{blk}.attn_{name}.weight")


def whole_normed_heads(
    model: Llama, ops: Ops, weights: Tensors, module: str, h: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """As `Llama.heads`, with these norms."""
    c = model.config
    queries = (h.shape[0], c.num_attention_heads, c.head_dim)
    keys = (h.shape[0], c.num_key_value_heads, c.head_dim)
    q, k, v = (linear(ops, weights, f"{module}.{name}_proj", h) for name in ("q", "k", "v"))
    q = model.norm(ops, weights, f"{module}.q_norm", q)
    k = model.norm(ops, weights, f"{module}.k_norm", k)
    return ops.reshape(q, queries), ops.reshape(k, keys), ops.reshape(v, keys)


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    return {**llama.gguf_config(gguf), "model_type": "olmo2"}


FAMILY = Family(model_types=("olmo2",), decoder=OLMo2.read, architectures=("olmo2",), gguf_config=gguf_config)
