"""Llama-family decoders (Touvron et al. 2023): RMSNorm, rotary grouped-query attention, SwiGLU, through ops only."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, ModelError
from ..generation.sampling import GenerationOptions, sample
from ..runtime import Ops, Tensor, numpy_ops
from ..runtime.device import Waiting
from .config import LlamaConfig

PREFILL_CHUNK = 64
EMBEDDING, FINAL_NORM, HEAD = "model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"


def weight_shapes(config: LlamaConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every weight by its Hugging Face name, with its shape (out, in), in the order of use."""
    hidden, mid, size = config.hidden_size, config.intermediate_size, config.head_dim
    q, kv = config.num_attention_heads * size, config.num_key_value_heads * size
    yield EMBEDDING, (config.vocab_size, hidden)
    for i in range(config.num_hidden_layers):
        block = f"model.layers.{i}"
        yield f"{block}.input_layernorm.weight", (hidden,)
        for name, rows, columns in (("q", q, hidden), ("k", kv, hidden), ("v", kv, hidden), ("o", hidden, q)):
            yield f"{block}.self_attn.{name}_proj.weight", (rows, columns)
            if config.attention_bias:
                yield f"{block}.self_attn.{name}_proj.bias", (rows,)
        yield f"{block}.post_attention_layernorm.weight", (hidden,)
        for name, rows, columns in (("gate", mid, hidden), ("up", mid, hidden), ("down", hidden, mid)):
            yield f"{block}.mlp.{name}_proj.weight", (rows, columns)
            if config.mlp_bias:
                yield f"{block}.mlp.{name}_proj.bias", (rows,)
    yield FINAL_NORM, (hidden,)
    if not config.tie_word_embeddings:
        yield HEAD, (config.vocab_size, hidden)


def inverse_frequencies(config: LlamaConfig) -> NDArray[np.float64]:
    """θ^(−2i/D) for i < D/2, stretched as `rope_scaling` says."""
    half = np.arange(0, config.head_dim, 2, dtype=np.float64) / config.head_dim
    frequencies = config.rope_theta**-half
    scaling = config.rope_scaling
    if scaling is None:
        return frequencies
    if scaling.kind == "linear":
        return frequencies / scaling.factor
    turns = scaling.original_max_position_embeddings * frequencies / (2 * np.pi)
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    keep = np.clip((turns - low) / (high - low), 0.0, 1.0)
    return keep * frequencies + (1 - keep) * frequencies / scaling.factor


@dataclass
class KVCache:
    """Keys and values of the positions so far, one (capacity, kv_heads, head_dim) pair a layer; grows by doubling."""

    config: LlamaConfig
    limit: int
    length: int = 0
    keys: list[Any] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    smallest: ClassVar[int] = 256
    """Capacity to begin with."""

    @property
    def capacity(self) -> int:
        """Positions there is room for."""
        return len(self.keys[0]) if self.keys else 0

    def reserve(self, length: int) -> None:
        """Room for `length` positions in all. Raises `InputError` beyond `limit`."""
        if length > self.limit:
            raise InputError(
                f"{length} tokens do not fit the context of {self.limit}",
                where="context",
                remedy="Shorten the prompt or the conversation.",
            )
        if length > self.capacity:
            self.grow(min(self.limit, max(self.smallest, length, 2 * self.capacity)))

    def grow(self, capacity: int) -> None:
        """Make room for `capacity` positions."""
        shape = (capacity, self.config.num_key_value_heads, self.config.head_dim)
        for store in (self.keys, self.values):
            for i in range(self.config.num_hidden_layers):
                grown = np.zeros(shape, np.float32)
                if store[i:]:
                    grown[: self.length] = store[i][: self.length]
                    store[i] = grown
                else:
                    store.append(grown)

    def truncate(self, length: int) -> None:
        """Forget everything from position `length` on."""
        self.length = min(self.length, length)


class Llama:
    """The decoder: token ids in, logits out.

    **Arguments:**

    - `config`: shapes and constants.
    - `weights`: Hugging Face name → tensor, as `weight_shapes` lists them, in any storage the ops know.
    """

    def __init__(self, config: LlamaConfig, weights: Mapping[str, Tensor], ops: Ops = numpy_ops) -> None:
        for name, shape in weight_shapes(config):
            if name not in weights:
                raise ModelError(f"the weight {name} is missing")
            if tuple(weights[name].shape) != shape:
                raise ModelError(f"the weight {name} has shape {tuple(weights[name].shape)}, expected {shape}")
        self.config = config
        self.weights = weights
        self.ops = ops
        self.frequencies = inverse_frequencies(config)

    def new_cache(self, limit: int | None = None) -> KVCache:
        """An empty cache for up to `limit` positions (default: what the model was trained for)."""
        return KVCache(
            self.config, min(limit or self.config.max_position_embeddings, self.config.max_position_embeddings)
        )

    def chunk(self, remaining: int) -> int:
        """How many of so many prompt tokens to feed at once."""
        return min(remaining, PREFILL_CHUNK)

    def feed(self, ids: NDArray[np.integer[Any]], cache: KVCache) -> Generator[Waiting, None, None]:
        """Append ids (T,) to `cache`. A generator, as a device may have to be waited for."""
        cache.reserve(cache.length + len(ids))
        self.trace_hidden(self.ops, self.weights, ids, cache.keys, cache.values, cache.length)
        cache.length += len(ids)
        yield from ()

    def next_token(
        self,
        ids: NDArray[np.integer[Any]],
        cache: KVCache,
        options: GenerationOptions,
        step: int,
        seen: Sequence[int],
    ) -> Generator[Waiting, None, int]:
        """Append ids (T,) to `cache` → the token drawn from the logits of the last.

        **Arguments:**

        - `step`: number of the draw.
        - `seen`: every token so far, `ids` too; for the repetition penalty.
        """
        yield from ()
        return sample(np.asarray(self.forward(ids, cache)), options, step, seen)

    def forward(self, ids: NDArray[np.integer[Any]], cache: KVCache, *, every: bool = False) -> Tensor:
        """ids (T,), appended to `cache` → logits of the last position (V,), or of every position (T, V)."""
        cache.reserve(cache.length + len(ids))
        logits = self.trace_logits(self.ops, self.weights, ids, cache.keys, cache.values, cache.length, every=every)
        cache.length += len(ids)
        return logits

    def trace_logits(
        self,
        ops: Ops,
        weights: Mapping[str, Tensor],
        ids: Tensor,
        keys: Sequence[Tensor],
        values: Sequence[Tensor],
        position: int,
        *,
        every: bool = False,
    ) -> Tensor:
        """The decoder as a function of its arguments: rows `position …` of the caches are written (*dynamic*)."""
        c = self.config
        x = self.trace_hidden(ops, weights, ids, keys, values, position)
        if not every:
            x = ops.narrow(x, 0, x.shape[0] - 1, 1)
        x = ops.rms_norm(x, weights[FINAL_NORM], c.rms_norm_eps)
        logits = ops.linear(x, weights[EMBEDDING if c.tie_word_embeddings else HEAD])
        return logits if every else ops.reshape(logits, (c.vocab_size,))

    def trace_hidden(
        self,
        ops: Ops,
        weights: Mapping[str, Tensor],
        ids: Tensor,
        keys: Sequence[Tensor],
        values: Sequence[Tensor],
        position: int,
    ) -> Tensor:
        """Everything before the last norm: ids (T,) → (T, hidden)."""
        x = ops.embedding(ids, weights[EMBEDDING])
        for i in range(self.config.num_hidden_layers):
            x = self._block(ops, weights, f"model.layers.{i}", x, keys[i], values[i], position)
        return x

    def _block(
        self,
        ops: Ops,
        w: Mapping[str, Tensor],
        block: str,
        x: Tensor,
        keys: Tensor,
        values: Tensor,
        position: int,
    ) -> Tensor:
        """x + attention(norm(x)), then + mlp(norm(·)); x (T, hidden)."""
        c, steps = self.config, x.shape[0]

        def linear(name: str, x: Tensor) -> Tensor:
            return ops.linear(x, w[f"{block}.{name}.weight"], w.get(f"{block}.{name}.bias"))

        h = ops.rms_norm(x, w[f"{block}.input_layernorm.weight"], c.rms_norm_eps)
        q = ops.reshape(linear("self_attn.q_proj", h), (steps, c.num_attention_heads, c.head_dim))
        k = ops.reshape(linear("self_attn.k_proj", h), (steps, c.num_key_value_heads, c.head_dim))
        v = ops.reshape(linear("self_attn.v_proj", h), (steps, c.num_key_value_heads, c.head_dim))
        ops.cache_write(keys, ops.rope(k, position, self.frequencies), position)
        ops.cache_write(values, v, position)
        mixed = ops.attention(ops.rope(q, position, self.frequencies), keys, values, position)
        mixed = ops.reshape(mixed, (steps, c.num_attention_heads * c.head_dim))
        x = ops.add(x, linear("self_attn.o_proj", mixed))
        h = ops.rms_norm(x, w[f"{block}.post_attention_layernorm.weight"], c.rms_norm_eps)
        return ops.add(x, linear("mlp.down_proj", ops.silu_mul(linear("mlp.gate_proj", h), linear("mlp.up_proj", h))))
