"""GPT-2 (Radford et al. 2019): learned positions, layer norms, one matrix for queries, keys and values, a plain MLP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..nn.layer import Params
from ..runtime import Ops, Tensor
from ..schema.fields import Fields, Json
from .blocks import activated, cached_attention, layer_norm, linear, vectors
from .config import activation, token_ids
from .gguf_config import GGUFConfig
from .network_layers import attention_layer, matrix_and_bias, norm_layer, pointwise, sequential
from .protocols import CacheLayout, Chunk, Facts, Tensors, Weight, keys_and_values
from .registry import Family

BODY = "transformer"
TOKENS, POSITIONS = f"{BODY}.wte.weight", f"{BODY}.wpe.weight"


class GPT2:
    """A `Decoder`.

    - `scaled`: whether attention's scores are divided by √D.
    - `divided`: whether they are divided by the number of their layer, counted from 1, too.
    """

    def __init__(self, fields: Fields) -> None:
        self.scaled = fields.boolean("scale_attn_weights", default=True)
        self.divided = fields.boolean("scale_attn_by_inverse_layer_idx")
        vocab = fields.integer("vocab_size", default=50257, maximum=1 << 24)
        width = fields.integer("n_embd", default=768, maximum=1 << 20)
        self.heads = fields.integer("n_head", default=12, maximum=1 << 14)
        if width % self.heads:
            raise fields.error(f"{width} does not divide into {self.heads} attention heads", "n_embd")
        self.inner = fields.integer("n_inner", default=4 * width, maximum=1 << 22)
        self.activation = activation(fields, "activation_function", "gelu_new")
        self.eps = fields.number("layer_norm_epsilon", default=1e-5, above=0, maximum=1.0)
        self.facts = Facts(
            model_type="gpt2",
            vocab_size=vocab,
            hidden_size=width,
            num_hidden_layers=fields.integer("n_layer", default=12, maximum=4096),
            max_position_embeddings=fields.integer("n_positions", default=1024),
            bos_token_id=next(iter(token_ids(fields, "bos_token_id", vocab)), None),
            eos_token_ids=token_ids(fields, "eos_token_id", vocab),
        )

    def weights(self) -> Iterator[Weight]:
        f, width = self.facts, self.facts.hidden_size
        yield Weight(TOKENS, (f.vocab_size, width), gguf="token_embd.weight")
        yield Weight(POSITIONS, (f.max_position_embeddings, width), gguf="position_embd.weight")
        for i in range(f.num_hidden_layers):
            block, blk = f"{BODY}.h.{i}", f"blk.{i}"
            yield from vectors(f"{block}.ln_1", width, f"{blk}.attn_norm")
            yield from vectors(f"{block}.ln_2", width, f"{blk}.ffn_norm")
            for name, gguf, rows, columns in (
                ("attn.c_attn", "attn_qkv", 3 * width, width),
                ("attn.c_proj", "attn_output", width, width),
                ("mlp.c_fc", "ffn_up", self.inner, width),
                ("mlp.c_proj", "ffn_down", width, self.inner),
            ):
                matrix = f"{block}.{name}.weight"  # a `Conv1D`, which transformers stores (in, out)
                yield Weight(matrix, (rows, columns), transposed=True, gguf=f"{blk}.{gguf}.weight")
                yield Weight(f"{block}.{name}.bias", (rows,), gguf=f"{blk}.{gguf}.bias")
        yield from vectors(f"{BODY}.ln_f", width, "output_norm")

    def gguf_entries(self) -> dict[str, Any]:
        return {
            "feed_forward_length": self.inner,
            "attention.head_count": self.heads,
            "attention.layer_norm_epsilon": self.eps,
        }

    def layers(self, weights: Mapping[str, NDArray[Any]], head: bool) -> Iterator[tuple[Json, Params]]:
        """Embeddings, for each block two `sequential` layers in a residual connection each, the last norm, the head."""
        f, w, width = self.facts, weights, self.facts.hidden_size
        if self.divided or not self.scaled:
            message = "attention with a scale of its own has no layer"
            raise ModelError(message, where="scale_attn_weights, scale_attn_by_inverse_layer_idx")
        yield {"type": "embedding", "vocab_size": f.vocab_size, "embedding_dim": width}, {"table": w[TOKENS]}
        table = {"type": "position_embedding", "positions": f.max_position_embeddings, "embedding_dim": width}
        yield table, {"positions": w[POSITIONS]}
        for i in range(f.num_hidden_layers):
            block = f"{BODY}.h.{i}"
            fused = (np.split(part, 3) for part in matrix_and_bias(w, f"{block}.attn.c_attn"))
            parts = dict(zip("qkv", zip(*fused, strict=True), strict=True))
            parts["o"] = matrix_and_bias(w, f"{block}.attn.c_proj")
            norm = norm_layer(w, f"{block}.ln_1", self.eps)
            yield sequential([norm, attention_layer(parts, self.heads, causal=True)])
            yield {"type": "residual"}, {}
            inner = pointwise(w, f"{block}.mlp.c_fc", self.activation)
            outer = pointwise(w, f"{block}.mlp.c_proj", "linear")
            yield sequential([norm_layer(w, f"{block}.ln_2", self.eps), inner, outer])
            yield {"type": "residual"}, {}
        yield norm_layer(w, f"{BODY}.ln_f", self.eps)
        if head:
            yield pointwise({"head.weight": w[TOKENS]}, "head", "linear")

    def new_cache(self) -> CacheLayout:
        return [keys_and_values(self.heads, self.facts.hidden_size // self.heads)] * self.facts.num_hidden_layers

    def trace(self, ops: Ops, weights: Tensors, chunk: Chunk) -> Tensor:
        x = ops.add(ops.embedding(chunk.ids, weights[TOKENS]), ops.embedding(chunk.positions(), weights[POSITIONS]))
        for layer in range(self.facts.num_hidden_layers):
            x = self._block(ops, weights, layer, x, chunk)
        return layer_norm(ops, weights, f"{BODY}.ln_f", chunk.answered(ops, x), self.eps)

    def logits(self, ops: Ops, weights: Tensors, hidden: Tensor) -> Tensor:
        return ops.linear(hidden, weights[TOKENS])

    def _block(self, ops: Ops, w: Tensors, layer: int, x: Tensor, chunk: Chunk) -> Tensor:
        """x + attention(norm(x)), then + mlp(norm(·)); x (T, width)."""
        block, (count, width) = f"{BODY}.h.{layer}", x.shape
        qkv = linear(ops, w, f"{block}.attn.c_attn", layer_norm(ops, w, f"{block}.ln_1", x, self.eps))
        shape = (count, self.heads, width // self.heads)
        q, k, v = (ops.reshape(ops.narrow(qkv, 1, i * width, width), shape) for i in range(3))
        factor = (1.0 if self.scaled else shape[2] ** 0.5) / (layer + 1 if self.divided else 1)
        mixed = cached_attention(ops, chunk, layer, q if factor == 1 else ops.scale(q, factor), k, v, None)
        x = ops.add(x, linear(ops, w, f"{block}.attn.c_proj", mixed))
        h = linear(ops, w, f"{block}.mlp.c_fc", layer_norm(ops, w, f"{block}.ln_2", x, self.eps))
        return ops.add(x, linear(ops, w, f"{block}.mlp.c_proj", activated(ops, self.activation, h)))


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    return {
        "model_type": "gpt2",
        "n_embd": gguf.integer("embedding_length"),
        "n_head": gguf.integer("attention.head_count"),
        "n_layer": gguf.integer("block_count"),
        "n_inner": gguf.uniform("feed_forward_length"),
        "n_positions": gguf.integer("context_length"),
        "layer_norm_epsilon": gguf.decimal("attention.layer_norm_epsilon", 1e-5, maximum=1.0),
        **gguf.vocabulary(),
    }


FAMILY = Family(model_types=("gpt2",), decoder=GPT2, architectures=("gpt2",), gguf_config=gguf_config)
