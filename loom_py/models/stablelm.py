"""StableLM (Bellagamba et al. 2024): a Llama with layer norms, rotary over part of a head, attention beside the MLP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from ..runtime import Ops, Tensor
from ..schema.fields import Fields
from . import llama
from .blocks import joined
from .gguf_config import GGUFConfig
from .llama import Llama, LlamaConfig
from .protocols import Chunk, Tensors, Weight
from .registry import Family


class StableLM(Llama):
    """A `Decoder`.

    - `qkv_bias`: whether queries, keys and values have biases.
    - `parallel`: whether attention and MLP both read the first norm.
    - `head_norms`: whether each head of queries and keys has a norm, without an offset and with a scale of its own.
    """

    interleaved_in_gguf = False
    layer_norms = True
    q_norm, k_norm = "q_layernorm", "k_layernorm"

    def __init__(self, config: LlamaConfig, qkv_bias: bool, parallel: bool) -> None:
        super().__init__(config)
        self.qkv_bias, self.parallel = qkv_bias, parallel
        self.no_offset = np.zeros(config.head_dim, np.float32)

    @classmethod
    def read(cls, fields: Fields) -> Self:
        config = LlamaConfig.read(fields, eps=1e-5, eps_key="layer_norm_eps", rotary=0.25)
        model = cls(config, fields.boolean("use_qkv_bias"), fields.boolean("use_parallel_residual"))
        model.head_norms = fields.boolean("qk_layernorm")
        return model

    def gguf_entries(self) -> dict[str, Any]:
        return {**super().gguf_entries(), "use_parallel_residual": self.parallel}

    def block_weights(self, block: str, blk: str) -> Iterator[Weight]:
        for weight in super().block_weights(block, blk):
            if not self.parallel or "post_attention_layernorm" not in weight.name:
                yield weight

    def attention_weights(self, module: str, blk: str) -> Iterator[Weight]:
        yield from super().attention_weights(module, blk)
        if self.qkv_bias:
            yield from self.qkv_biases(module, blk)

    def norm_weights(self, module: str, gguf: str, size: int = 0) -> Iterator[Weight]:
        """Of a norm over the hidden state, or, given the size of a head, of one for each head."""
        if not size:
            yield from super().norm_weights(module, gguf)
            return
        c, queries = self.config, module.endswith(self.q_norm)
        heads = c.num_attention_heads if queries else c.num_key_value_heads
        yield Weight(
            f"{module}.norms.weight",
            (heads * size,),
            parts=tuple(f"{module}.norms.{i}.weight" for i in range(heads)),
            gguf=f"{gguf}.weight",
            gguf_shape=(heads, size),
        )

    def norm(self, ops: Ops, weights: Tensors, module: str, x: Tensor) -> Tensor:
        """Over the last axis; of heads (T, heads, D) each by itself."""
        if len(x.shape) < 3:
            return super().norm(ops, weights, module, x)
        scale, (_, heads, size) = weights[f"{module}.norms.weight"], x.shape
        own = (
            ops.layer_norm(
                ops.narrow(x, 1, i, 1),
                ops.narrow(scale, 0, i * size, size),
                self.no_offset,
                self.config.rms_norm_eps,
            )
            for i in range(heads)
        )
        return joined(ops, list(own), 1)

    def block(self, ops: Ops, weights: Tensors, layer: int, x: Tensor, chunk: Chunk) -> Tensor:
        """As Llama's, or x + attention(h) + mlp(h) with h = norm(x)."""
        block = self.parallel_block if self.parallel else super().block
        return block(ops, weights, layer, x, chunk)


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    return {
        **llama.gguf_config(gguf),
        "model_type": "stablelm",
        "attention_bias": False,
        "use_qkv_bias": "blk.0.attn_q.bias" in gguf.tensors,
        "qk_layernorm": "blk.0.attn_q_norm.weight" in gguf.tensors,
        "use_parallel_residual": "blk.0.ffn_norm.weight" not in gguf.tensors,
        "layer_norm_eps": gguf.decimal("attention.layer_norm_epsilon", 1e-5, maximum=1.0),
    }


FAMILY = Family(model_types=("stablelm",), decoder=StableLM.read, architectures=("stablelm",), gguf_config=gguf_config)
