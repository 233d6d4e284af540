"""Phi-1 and Phi-2 (Gunasekar et al. 2023): attention beside a plain MLP behind one layer norm, all with biases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from ..runtime import Ops, Tensor
from ..schema.fields import Fields
from . import llama
from .blocks import activated, linear, projection
from .gguf_config import GGUFConfig
from .llama import Llama, LlamaConfig
from .protocols import Chunk, Tensors, Weight
from .registry import Family


class Phi(Llama):
    """A `Decoder`."""

    interleaved_in_gguf = False
    layer_norms = True
    final_norm, out_proj = "model.final_layernorm", "dense"
    q_norm, k_norm = "q_layernorm", "k_layernorm"

    @classmethod
    def read(cls, fields: Fields) -> Self:
        config = LlamaConfig.read(fields, bias=True, act="gelu_new", eps=1e-5, eps_key="layer_norm_eps", rotary=0.5)
        model = cls(config)
        model.head_norms = fields.boolean("qk_layernorm")
        return model

    def weights(self) -> Iterator[Weight]:
        yield from super().weights()
        if not self.config.tie_word_embeddings:
            yield Weight("lm_head.bias", (self.config.vocab_size,), gguf="output.bias")

    def block_weights(self, block: str, blk: str) -> Iterator[Weight]:
        yield from self.norm_weights(f"{block}.input_layernorm", f"{blk}.attn_norm")
        yield from self.attention_weights(f"{block}.self_attn", blk)
        yield from self.mlp_weights(f"{block}.mlp", blk)

    def mlp_weights(self, module: str, blk: str) -> Iterator[Weight]:
        hidden, mid = self.config.hidden_size, self.config.intermediate_size
        yield from projection(f"{module}.fc1", (mid, hidden), f"{blk}.ffn_up", bias=True)
        yield from projection(f"{module}.fc2", (hidden, mid), f"{blk}.ffn_down", bias=True)

    def block(self, ops: Ops, weights: Tensors, layer: int, x: Tensor, chunk: Chunk) -> Tensor:
        return self.parallel_block(ops, weights, layer, x, chunk)

    def mlp(self, ops: Ops, weights: Tensors, module: str, h: Tensor) -> Tensor:
        h = activated(ops, self.config.activation, linear(ops, weights, f"{module}.fc1", h))
        return linear(ops, weights, f"{module}.fc2", h)

    def logits(self, ops: Ops, weights: Tensors, hidden: Tensor) -> Tensor:
        if self.config.tie_word_embeddings:
            return super().logits(ops, weights, hidden)
        return linear(ops, weights, "lm_head", hidden)


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    return {
        **llama.gguf_config(gguf),
        "model_type": "phi",
        "hidden_act": "gelu_new",
        "attention_bias": True,
        "layer_norm_eps": gguf.decimal("attention.layer_norm_epsilon", 1e-5, maximum=1.0),
    }


FAMILY = Family(model_types=("phi",), decoder=Phi.read, architectures=("phi2",), gguf_config=gguf_config)
