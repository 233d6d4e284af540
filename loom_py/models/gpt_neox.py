"""GPT-NeoX (Black et al. 2022) and Pythia: rotary over part of a head, attention and MLP side by side."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime import Ops, Tensor
from ..schema.fields import Fields
from .blocks import activated, cached_attention, layer_norm, linear, projection, vectors
from .config import activation, token_ids
from .gguf_config import GGUFConfig
from .protocols import CacheLayout, Chunk, Facts, Longer, RowOrder, Tensors, Weight, keys_and_values
from .registry import Family
from .rope import check_factors, inverse_frequencies, read_rope, rotary_size

BODY = "gpt_neox"
TOKENS, HEAD = f"{BODY}.embed_in.weight", "embed_out.weight"


class GPTNeoX:
    """A `Decoder`."""

    def __init__(self, fields: Fields) -> None:
        width = fields.integer("hidden_size", default=6144, maximum=1 << 20)
        self.heads = fields.integer("num_attention_heads", default=64, maximum=1 << 14)
        if width % self.heads:
            raise fields.error(f"{width} does not divide into {self.heads} attention heads", "hidden_size")
        self.size = width // self.heads
        base = fields.number("rotary_emb_base", default=10000.0, maximum=1e12, above=0)  # its name until 2024
        theta, scaling = read_rope(fields, theta=base)
        turned = rotary_size(fields, self.size, key="rotary_pct", default=0.25)
        check_factors(fields, turned, scaling)
        self.theta, self.turned = theta, turned
        self.frequencies = inverse_frequencies(turned, theta, scaling)
        self.rotary_factor = 1.0 if scaling is None else scaling.attention_factor**2  # of queries and keys
        self.inner = fields.integer("intermediate_size", default=24576, maximum=1 << 22)
        self.activation = activation(fields, "hidden_act", "gelu")
        self.eps = fields.number("layer_norm_eps", default=1e-5, above=0, maximum=1.0)
        self.parallel = fields.boolean("use_parallel_residual", default=True)
        self.attention_bias = fields.boolean("attention_bias", default=True)
        self.tied = fields.boolean("tie_word_embeddings")
        vocab = fields.integer("vocab_size", default=50432, maximum=1 << 24)
        self.facts = Facts(
            model_type="gpt_neox",
            vocab_size=vocab,
            hidden_size=width,
            num_hidden_layers=fields.integer("num_hidden_layers", default=44, maximum=4096),
            max_position_embeddings=fields.integer("max_position_embeddings", default=2048),
            bos_token_id=next(iter(token_ids(fields, "bos_token_id", vocab)), None),
            eos_token_ids=token_ids(fields, "eos_token_id", vocab),
        )
        if scaling is not None and scaling.kind == "longrope":
            variant = copy(self)
            variant.frequencies = inverse_frequencies(turned, theta, scaling, long=True)
            longer = Longer(scaling.original_max_position_embeddings, variant)
            self.facts = replace(self.facts, longer=longer)

    def weights(self) -> Iterator[Weight]:
        f, width, inner = self.facts, self.facts.hidden_size, self.inner
        yield Weight(TOKENS, (f.vocab_size, width), gguf="token_embd.weight")
        qkv, bias = _by_heads(self.heads, self.size), self.attention_bias
        for i in range(f.num_hidden_layers):
            block, blk = f"{BODY}.layers.{i}", f"blk.{i}"
            yield from vectors(f"{block}.input_layernorm", width, f"{blk}.attn_norm")
            yield from vectors(f"{block}.post_attention_layernorm", width, f"{blk}.ffn_norm")
            fused = f"{block}.attention.query_key_value"
            yield from projection(fused, (3 * width, width), f"{blk}.attn_qkv", bias=bias, gguf_order=qkv)
            yield from projection(f"{block}.attention.dense", (width, width), f"{blk}.attn_output", bias=bias)
            yield from projection(f"{block}.mlp.dense_h_to_4h", (inner, width), f"{blk}.ffn_up", bias=True)
            yield from projection(f"{block}.mlp.dense_4h_to_h", (width, inner), f"{blk}.ffn_down", bias=True)
        yield from vectors(f"{BODY}.final_layer_norm", width, "output_norm")
        if not self.tied:
            yield Weight(HEAD, (f.vocab_size, width), gguf="output.weight")

    def gguf_entries(self) -> dict[str, Any]:
        return {
            "feed_forward_length": self.inner,
            "attention.head_count": self.heads,
            "attention.layer_norm_epsilon": self.eps,
            "rope.dimension_count": self.turned,
            "rope.freq_base": self.theta,
            "use_parallel_residual": self.parallel,
        }

    def new_cache(self) -> CacheLayout:
        return [keys_and_values(self.heads, self.size)] * self.facts.num_hidden_layers

    def trace(self, ops: Ops, weights: Tensors, chunk: Chunk) -> Tensor:
        x = ops.embedding(chunk.ids, weights[TOKENS])
        for layer in range(self.facts.num_hidden_layers):
            x = self._block(ops, weights, layer, x, chunk)
        return layer_norm(ops, weights, f"{BODY}.final_layer_norm", chunk.answered(ops, x), self.eps)

    def logits(self, ops: Ops, weights: Tensors, hidden: Tensor) -> Tensor:
        return ops.linear(hidden, weights[TOKENS if self.tied else HEAD])

    def _block(self, ops: Ops, w: Tensors, layer: int, x: Tensor, chunk: Chunk) -> Tensor:
        """x + attention(norm(x)) + mlp(norm₂(x)), or with norm₂ of the first sum; x (T, width)."""
        block = f"{BODY}.layers.{layer}"
        qkv = linear(ops, w, f"{block}.attention.query_key_value", self._norm(ops, w, f"{block}.input_layernorm", x))
        # Each head has its query, key and value one after another.
        qkv = ops.reshape(qkv, (x.shape[0], self.heads, 3 * self.size))
        q, k, v = (ops.narrow(qkv, 2, i * self.size, self.size) for i in range(3))
        mixed = cached_attention(ops, chunk, layer, q, k, v, self.frequencies, rotary_factor=self.rotary_factor)
        y = ops.add(x, linear(ops, w, f"{block}.attention.dense", mixed))
        h = self._norm(ops, w, f"{block}.post_attention_layernorm", x if self.parallel else y)
        h = activated(ops, self.activation, linear(ops, w, f"{block}.mlp.dense_h_to_4h", h))
        return ops.add(y, linear(ops, w, f"{block}.mlp.dense_4h_to_h", h))

    def _norm(self, ops: Ops, w: Tensors, name: str, x: Tensor) -> Tensor:
        return layer_norm(ops, w, name, x, self.eps)


def _by_heads(heads: int, size: int) -> RowOrder:
    """GGUF keeps all queries, then all keys, then all values; here each head keeps its own three together."""

    def order(rows: NDArray[Any]) -> NDArray[Any]:
        parts = rows.reshape(3, heads, size, *rows.shape[1:])
        return np.ascontiguousarray(parts.swapaxes(0, 1)).reshape(rows.shape)

    return order


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    heads, size = gguf.head_shape()
    turned = gguf.integer("rope.dimension_count", size)
    return {
        "model_type": "gpt_neox",
        "hidden_size": gguf.integer("embedding_length"),
        "num_attention_heads": heads,
        "num_hidden_layers": gguf.integer("block_count"),
        "intermediate_size": gguf.uniform("feed_forward_length"),
        "max_position_embeddings": gguf.integer("context_length"),
        "layer_norm_eps": gguf.decimal("attention.layer_norm_epsilon", 1e-5, maximum=1.0),
        "rotary_pct": turned / size,
        "rope_theta": gguf.decimal("rope.freq_base", 10000.0, maximum=1e12),
        "use_parallel_residual": gguf.boolean("use_parallel_residual", True),
        "tie_word_embeddings": "output.weight" not in gguf.tensors,
        **gguf.vocabulary(),
    }


FAMILY = Family(model_types=("gpt_neox",), decoder=GPTNeoX, architectures=("gptneox",), gguf_config=gguf_config)
