"""Phi-3 (Abdin et al. 2024): a Llama with one matrix for queries, keys and values, and one for gate and up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..runtime import Ops, Tensor
from . import llama
from .blocks import linear, projection
from .gguf_config import GGUFConfig
from .mistral import Mistral
from .protocols import Tensors, Weight
from .registry import Family


class Phi3(Mistral):
    """A `Decoder`."""

    interleaved_in_gguf = False
    default_window = 0

    def attention_weights(self, module: str, blk: str) -> Iterator[Weight]:
        c = self.config
        rows = (c.num_attention_heads + 2 * c.num_key_value_heads) * c.head_dim
        yield from projection(f"{module}.qkv_proj", (rows, c.hidden_size), f"{blk}.attn_qkv")
        yield from projection(
            f"{module}.o_proj", (c.hidden_size, c.num_attention_heads * c.head_dim), f"{blk}.attn_output"
        )

    def mlp_weights(self, module: str, blk: str) -> Iterator[Weight]:
        c = self.config
        yield from projection(f"{module}.gate_up_proj", (2 * c.intermediate_size, c.hidden_size), f"{blk}.ffn_up")
        yield from projection(f"{module}.down_proj", (c.hidden_size, c.intermediate_size), f"{blk}.ffn_down")

    def heads(self, ops: Ops, weights: Tensors, module: str, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        c = self.config
        heads, kv_heads, count = c.num_attention_heads, c.num_key_value_heads, h.shape[0]
        qkv = linear(ops, weights, f"{module}.qkv_proj", h)
        qkv = ops.reshape(qkv, (count, heads + 2 * kv_heads, c.head_dim))
        return (
            ops.narrow(qkv, 1, 0, heads),
            ops.narrow(qkv, 1, heads, kv_heads),
            ops.narrow(qkv, 1, heads + kv_heads, kv_heads),
        )

    def mlp(self, ops: Ops, weights: Tensors, module: str, h: Tensor) -> Tensor:
        mid = self.config.intermediate_size
        both = linear(ops, weights, f"{module}.gate_up_proj", h)
        h = ops.silu_mul(ops.narrow(both, 1, 0, mid), ops.narrow(both, 1, mid, mid))
        return linear(ops, weights, f"{module}.down_proj", h)


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    return {**llama.gguf_config(gguf), "model_type": "phi3"}


FAMILY = Family(model_types=("phi3",), decoder=Phi3.read, architectures=("phi3",), gguf_config=gguf_config)
