"""Llama (Touvron et al. 2023): RMSNorm, rotary grouped-query attention, SwiGLU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..runtime import Ops, Tensor
from ..schema.fields import Fields
from .blocks import cached_attention, gated_mlp, layer_norm, linear, projection, vectors
from .config import activation, attention_shape, token_ids, unsupported
from .gguf_config import GGUFConfig
from .gguf_rope import gguf_rope, rope_entries, rope_tensors
from .mixture import gguf_mixture
from .protocols import CacheLayout, Chunk, Facts, Longer, Tensors, Weight, keys_and_values
from .registry import Family
from .rope import (
    RopeScaling,
    check_factors,
    inverse_frequencies,
    read_rope,
    rotary_size,
    unpermute_rope_rows,
)

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"


@dataclass(frozen=True)
class LlamaConfig:
    """The shape of a Llama; field names are those of `config.json`."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float
    rope_theta: float
    rope_scaling: RopeScaling | None
    rotary_size: int
    max_position_embeddings: int
    tie_word_embeddings: bool
    attention_bias: bool
    mlp_bias: bool
    activation: str
    bos_token_id: int | None
    eos_token_ids: tuple[int, ...]
    model_type: str

    @classmethod
    def read(
        cls,
        fields: Fields,
        *,
        tied: bool = False,
        bias: bool = False,
        act: str = "silu",
        act_key: str = "hidden_act",
        eps: float = 1e-6,
        eps_key: str = "rms_norm_eps",
        rotary: float = 1.0,
        theta: float = 10000.0,
        head_dim: int | None = None,
    ) -> LlamaConfig:
        """From `config.json`. Raises `FormatError` or `ModelError` with the field's path.

        **Arguments:** what is taken for granted where the file does not say it, and names of fields that differ among
        families: `act_key` of the activation, `eps_key` of what norms add to the variance.
        """
        if fields.boolean("rope_interleaved"):
            raise unsupported(fields, "rope_interleaved", "interleaved rotary embeddings are not supported")
        hidden = fields.integer("hidden_size", maximum=1 << 20)
        heads, kv_heads, size = attention_shape(fields, hidden, size=head_dim)
        vocab = fields.integer("vocab_size", maximum=1 << 24)
        theta, scaling = read_rope(fields, "full_attention", theta)
        turned = rotary_size(fields, size, default=rotary)
        check_factors(fields, turned, scaling)
        return cls(
            vocab_size=vocab,
            hidden_size=hidden,
            intermediate_size=fields.integer("intermediate_size", maximum=1 << 22),
            num_hidden_layers=fields.integer("num_hidden_layers", maximum=4096),
            num_attention_heads=heads,
            num_key_value_heads=kv_heads,
            head_dim=size,
            rms_norm_eps=fields.number(eps_key, default=eps, maximum=1.0, above=0),
            rope_theta=theta,
            rope_scaling=scaling,
            rotary_size=turned,
            max_position_embeddings=fields.integer("max_position_embeddings", default=2048),
            tie_word_embeddings=fields.boolean("tie_word_embeddings", default=tied),
            attention_bias=fields.boolean("attention_bias", default=bias),
            mlp_bias=fields.boolean("mlp_bias", default=bias),
            activation=activation(fields, act_key, act),
            bos_token_id=next(iter(token_ids(fields, "bos_token_id", vocab)), None),
            eos_token_ids=token_ids(fields, "eos_token_id", vocab),
            model_type=fields.string("model_type", default="llama"),
        )


class Llama:
    """A `Decoder` of this shape.

    Families that differ in a part of the block override that part: the weights and the projections of its attention,
    or the frequencies of a layer.
    """

    interleaved = False
    """Whether Hugging Face lays the rows of a rotary pair side by side."""
    interleaved_in_gguf = True
    """Whether GGUF lays the rows of a rotary pair side by side."""
    score_cap = 0.0
    """Where attention's scores level off; 0 for nowhere."""
    layer_norms = False
    """Whether norms over the hidden state subtract the mean and add an offset (Ba et al. 2016)."""
    head_norms = False
    """Whether each head of queries and keys is normalised before it is rotated."""
    final_norm, out_proj, mlp_name = "model.norm", "o_proj", "mlp"
    """Names of the last norm, of attention's output, and of a layer's MLP."""
    gguf_final_norm = "output_norm"
    q_norm, k_norm = "q_norm", "k_norm"
    """Names of the norms of heads."""
    query_factor = 1.0
    """What queries are multiplied with, where products of queries and keys have another scale than 1 / √D."""
    residual_factor = 1.0
    """What both halves of a block are multiplied with before they are added."""

    def __init__(self, config: LlamaConfig, windows: Sequence[int] = ()) -> None:
        self.config = config
        self.windows = windows or [0] * config.num_hidden_layers
        """How many positions a token of each layer sees; 0 for all."""
        size, theta, scaling = config.rotary_size, config.rope_theta, config.rope_scaling
        factor = 1.0 if scaling is None else scaling.attention_factor**2  # of queries and keys
        whole = size == config.head_dim
        self.query_factor, self.rotary_factor = (factor, 1.0) if whole else (1.0, factor)
        self.frequencies = inverse_frequencies(size, theta, scaling)

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(LlamaConfig.read(fields))

    @property
    def facts(self) -> Facts:
        c = self.config
        return Facts(
            model_type=c.model_type,
            vocab_size=c.vocab_size,
            hidden_size=c.hidden_size,
            num_hidden_layers=c.num_hidden_layers,
            max_position_embeddings=c.max_position_embeddings,
            bos_token_id=c.bos_token_id,
            eos_token_ids=c.eos_token_ids,
            longer=self._longer(),
        )

    def _longer(self) -> Longer | None:
        c = self.config
        if c.rope_scaling is None or c.rope_scaling.kind != "longrope":
            return None
        decoder = copy(self)
        decoder.frequencies = inverse_frequencies(c.rotary_size, c.rope_theta, c.rope_scaling, long=True)
        return Longer(c.rope_scaling.original_max_position_embeddings, decoder)

    def weights(self) -> Iterator[Weight]:
        c = self.config
        hidden = c.hidden_size
        yield Weight(EMBEDDING, (c.vocab_size, hidden), gguf="token_embd.weight")
        for i in range(c.num_hidden_layers):
            yield from self.block_weights(f"model.layers.{i}", f"blk.{i}")
        yield from self.norm_weights(self.final_norm, self.gguf_final_norm)
        if not c.tie_word_embeddings:
            yield Weight(HEAD, (c.vocab_size, hidden), gguf="output.weight")

    def block_weights(self, block: str, blk: str) -> Iterator[Weight]:
        """Of the layer `block`, which GGUF calls `blk`."""
        yield from self.norm_weights(f"{block}.input_layernorm", f"{blk}.attn_norm")
        yield from self.attention_weights(f"{block}.self_attn", blk)
        yield from self.norm_weights(f"{block}.post_attention_layernorm", f"{blk}.ffn_norm")
        yield from self.mlp_weights(f"{block}.{self.mlp_name}", blk)

    def norm_weights(self, module: str, gguf: str, size: int = 0) -> Iterator[Weight]:
        """Of a norm over so many numbers, by default the hidden state."""
        size = size or self.config.hidden_size
        if self.layer_norms:
            yield from vectors(module, size, gguf)
        else:
            yield Weight(f"{module}.weight", (size,), gguf=f"{gguf}.weight")

    def attention_weights(self, module: str, blk: str) -> Iterator[Weight]:
        """Of the attention `module` of a layer."""
        c = self.config
        queries, keys = c.num_attention_heads * c.head_dim, c.num_key_value_heads * c.head_dim
        for name, gguf, shape, heads in (
            ("q_proj", "attn_q", (queries, c.hidden_size), c.num_attention_heads),
            ("k_proj", "attn_k", (keys, c.hidden_size), c.num_key_value_heads),
            ("v_proj", "attn_v", (keys, c.hidden_size), 0),
            (self.out_proj, "attn_output", (c.hidden_size, queries), 0),
        ):
            apart = partial(unpermute_rope_rows, heads=heads) if heads else None
            yield from projection(
                f"{module}.{name}",
                shape,
                f"{blk}.{gguf}",
                bias=c.attention_bias,
                order=apart if self.interleaved else None,
                gguf_order=apart if self.interleaved_in_gguf else None,
            )
        if self.head_norms:
            for name, gguf in ((self.q_norm, "attn_q_norm"), (self.k_norm, "attn_k_norm")):
                yield from self.norm_weights(f"{module}.{name}", f"{blk}.{gguf}", c.head_dim)

    def qkv_biases(self, module: str, blk: str) -> Iterator[Weight]:
        """Biases of queries, keys and values alone, for families that have them."""
        c = self.config
        queries, keys = c.num_attention_heads * c.head_dim, c.num_key_value_heads * c.head_dim
        for name, rows in (("q", queries), ("k", keys), ("v", keys)):
            yield Weight(f"{module}.{name}_proj.bias", (rows,), gguf=f"{blk}.attn_{name}.bias")

    def mlp_weights(self, module: str, blk: str) -> Iterator[Weight]:
        """Of the gated MLP `module` of a layer."""
        c = self.config
        wide, narrow = (c.intermediate_size, c.hidden_size), (c.hidden_size, c.intermediate_size)
        for name, shape in (("gate", wide), ("up", wide), ("down", narrow)):
            yield from projection(f"{module}.{name}_proj", shape, f"{blk}.ffn_{name}", bias=c.mlp_bias)

    def new_cache(self) -> CacheLayout:
        c = self.config
        return [keys_and_values(c.num_key_value_heads, c.head_dim, window) for window in self.windows]

    def gguf_entries(self) -> dict[str, Any]:
        c = self.config
        norm = "layer_norm_epsilon" if self.layer_norms else "layer_norm_rms_epsilon"
        entries = {
            "feed_forward_length": c.intermediate_size,
            "attention.head_count": c.num_attention_heads,
            "attention.head_count_kv": c.num_key_value_heads,
            "attention.key_length": c.head_dim,
            "attention.value_length": c.head_dim,
            f"attention.{norm}": c.rms_norm_eps,
            "rope.dimension_count": c.rotary_size,
            **rope_entries(c.rope_theta, c.rope_scaling),
        }
        return entries | ({"attention.sliding_window": max(self.windows)} if any(self.windows) else {})

    def gguf_tensors(self) -> Mapping[str, NDArray[np.float32]]:
        c = self.config
        return rope_tensors(c.rotary_size, c.rope_theta, c.rope_scaling)

    def trace(self, ops: Ops, weights: Tensors, chunk: Chunk) -> Tensor:
        x = self.embed(ops, weights, chunk.ids)
        for layer in range(self.config.num_hidden_layers):
            x = self.block(ops, weights, layer, x, chunk)
        return self.norm(ops, weights, self.final_norm, chunk.answered(ops, x))

    def embed(self, ops: Ops, weights: Tensors, ids: Tensor) -> Tensor:
        """ids (T,) → (T, hidden)."""
        return ops.embedding(ids, weights[EMBEDDING])

    def logits(self, ops: Ops, weights: Tensors, hidden: Tensor) -> Tensor:
        return ops.linear(hidden, weights[EMBEDDING if self.config.tie_word_embeddings else HEAD])

    def block(self, ops: Ops, weights: Tensors, layer: int, x: Tensor, chunk: Chunk) -> Tensor:
        """x + attention(norm(x)), then + mlp(norm(·)); x (T, hidden)."""
        block = f"model.layers.{layer}"
        h = self.norm(ops, weights, f"{block}.input_layernorm", x)
        x = self.added(ops, x, self.attention(ops, weights, f"{block}.self_attn", layer, h, chunk))
        h = self.norm(ops, weights, f"{block}.post_attention_layernorm", x)
        return self.added(ops, x, self.feed_forward(ops, weights, layer, h, chunk))

    def feed_forward(self, ops: Ops, weights: Tensors, layer: int, h: Tensor, chunk: Chunk) -> Tensor:
        """The second half of a block for h (T, hidden) → like h."""
        return self.mlp(ops, weights, f"model.layers.{layer}.{self.mlp_name}", h)

    def parallel_block(self, ops: Ops, weights: Tensors, layer: int, x: Tensor, chunk: Chunk) -> Tensor:
        """x + attention(h) + mlp(h) with h = norm(x), for families that have it so; x (T, hidden)."""
        block = f"model.layers.{layer}"
        h = self.norm(ops, weights, f"{block}.input_layernorm", x)
        y = ops.add(x, self.attention(ops, weights, f"{block}.self_attn", layer, h, chunk))
        return ops.add(y, self.mlp(ops, weights, f"{block}.mlp", h))

    def norm(self, ops: Ops, weights: Tensors, module: str, x: Tensor) -> Tensor:
        """The norm `module` over the last axis."""
        if self.layer_norms:
            return layer_norm(ops, weights, module, x, self.config.rms_norm_eps)
        return ops.rms_norm(x, weights[f"{module}.weight"], self.config.rms_norm_eps)

    def added(self, ops: Ops, x: Tensor, y: Tensor) -> Tensor:
        return ops.add(x, y if self.residual_factor == 1.0 else ops.scale(y, self.residual_factor))

    def attention(self, ops: Ops, weights: Tensors, module: str, layer: int, h: Tensor, chunk: Chunk) -> Tensor:
        """The attention `module` of a layer for h (T, hidden) → like h."""
        q, k, v = self.heads(ops, weights, module, h)
        factor = self.layer_query_factor(layer)
        if factor != 1.0:
            q = ops.scale(q, factor)
        frequencies, window = self.layer_frequencies(layer), self.windows[layer]
        factor, cap = self.rotary_factor, self.score_cap
        mixed = cached_attention(ops, chunk, layer, q, k, v, frequencies, rotary_factor=factor, window=window, cap=cap)
        return linear(ops, weights, f"{module}.{self.out_proj}", mixed)

    def heads(self, ops: Ops, weights: Tensors, module: str, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (T, heads, D), keys and values (T, kv_heads, D) of the attention `module` for h (T, hidden)."""
        c = self.config
        queries = (h.shape[0], c.num_attention_heads, c.head_dim)
        keys = (h.shape[0], c.num_key_value_heads, c.head_dim)
        q = ops.reshape(linear(ops, weights, f"{module}.q_proj", h), queries)
        k = ops.reshape(linear(ops, weights, f"{module}.k_proj", h), keys)
        v = ops.reshape(linear(ops, weights, f"{module}.v_proj", h), keys)
        if self.head_norms:
            q = self.norm(ops, weights, f"{module}.{self.q_norm}", q)
            k = self.norm(ops, weights, f"{module}.{self.k_norm}", k)
        return q, k, v

    def mlp(self, ops: Ops, weights: Tensors, module: str, h: Tensor) -> Tensor:
        return gated_mlp(ops, weights, module, h, self.config.activation)

    def layer_frequencies(self, layer: int) -> NDArray[Any] | None:
        """The rotary frequencies of a layer; None for one without rotary embeddings."""
        return self.frequencies

    def layer_query_factor(self, layer: int) -> float:
        """`query_factor` of a layer."""
        return self.query_factor


def gguf_config(gguf: GGUFConfig, *, experts: bool = False) -> dict[str, Any]:
    """The `config.json` of a Llama in GGUF. Without the file itself the head is tied and there are no biases.

    - `experts`: whether the family reads those.
    """
    if not experts and gguf.integer("expert_count", 0, minimum=0):
        raise gguf.unsupported("mixtures of experts are not supported", "expert_count")
    hidden = gguf.integer("embedding_length")
    heads, size = gguf.head_shape()
    if gguf.integer("attention.value_length", size) != size:
        raise gguf.unsupported("values of another size than keys are not supported", "attention.value_length")
    rotary = gguf.integer("rope.dimension_count", size)
    if rotary != size and gguf.architecture == "llama":  # the order of whose rows depends on it
        raise gguf.unsupported("rotary embeddings over part of a head are not supported", "rope.dimension_count")
    theta, scaling = gguf_rope(gguf, size)
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": hidden,
        "intermediate_size": gguf.uniform("feed_forward_length"),
        "num_hidden_layers": gguf.integer("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": gguf.uniform("attention.head_count_kv", heads),
        "head_dim": size,
        "max_position_embeddings": gguf.integer("context_length", 2048),
        "rms_norm_eps": gguf.decimal("attention.layer_norm_rms_epsilon", 1e-6, maximum=1.0),
        "rope_theta": theta,
        "partial_rotary_factor": rotary / size,
        "rope_scaling": None if scaling is None else scaling.to_json(),
        "tie_word_embeddings": "output.weight" not in gguf.tensors,
        "attention_bias": "blk.0.attn_q.bias" in gguf.tensors,
        "mlp_bias": "blk.0.ffn_up.bias" in gguf.tensors,
        "sliding_window": gguf.integer("attention.sliding_window", 0, minimum=0) or None,
        **gguf.vocabulary(),
    }


def _own_gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    """GGUF calls a Mistral and a Mixtral a Llama, too."""
    if not gguf.integer("expert_count", 0, minimum=0):
        config = gguf_config(gguf)
        mistral = {"architectures": ["MistralForCausalLM"], "model_type": "mistral"}
        return config | (mistral if config["sliding_window"] else {})
    mixture = {"model_type": "mixtral", **gguf_mixture(gguf)}
    return {**gguf_config(gguf, experts=True), "architectures": ["MixtralForCausalLM"], **mixture}


FAMILY = Family(
    model_types=("llama",),
    decoder=Llama.read,
    architectures=("llama",),
    gguf_config=_own_gguf_config,
    assumed=True,
)
