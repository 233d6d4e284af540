"""StableLM (Bellagamba et al. 2024): a Llama with layer norms, rotary over part of a head, attention beside the MLP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from ..runtime import Ops, Tensor
from ..schema.fields import Fields
from . import llama
from .config import unsupported
from .gguf_config import GGUFConfig
from .llama import Llama, LlamaConfig
from .protocols import Chunk, Tensors, Weight
from .registry import Family


class StableLM(Llama):
    """A `Decoder`.

    - `qkv_bias`: whether queries, keys and values have biases.
    - `parallel`: whether attention and MLP both read the first norm.
    """

    interleaved_in_gguf = False
    layer_norms = True

    def __init__(self, config: LlamaConfig, qkv_bias: bool, parallel: bool) -> None:
        super().__init__(config)
        self.qkv_bias, self.parallel = qkv_bias, parallel

    @classmethod
    def read(cls, fields: Fields) -> Self:
        if fields.boolean("qk_layernorm"):
            raise unsupported(fields, "qk_layernorm", "norms of queries and keys are not supported in this family")
        config = LlamaConfig.read(fields, eps=1e-5, eps_key="layer_norm_eps", rotary=0.25)
        return cls(config, fields.boolean("use_qkv_bias"), fields.boolean("use_parallel_residual"))

    def block_weights(self, block: str, blk: str) -> Iterator[Weight]:
        for weight in super().block_weights(block, blk):
            if not self.parallel or "post_attention_layernorm" not in weight.name:
                yield weight

    def attention_weights(self, module: str, blk: str) -> Iterator[Weight]:
        yield from super().attention_weights(module, blk)
        if self.qkv_bias:
            yield from self.qkv_biases(module, blk)

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
