"""Multi-head attention with grouped queries and rotary positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..errors import ConfigError, InputError
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, Json
from . import activation
from .layer import Array, Layer, Params, State
from .registry import register

DEFAULT_THETA = 1_000_000.0  # the original's, fixed there


@register
@dataclass(frozen=True, kw_only=True)
class MultiHeadAttention(Layer):
    """(B, S·D) → (B, S·D): softmax(q kᵀ / √hd) v, then an output projection   (Vaswani et al. 2017).

    Query heads share key–value heads in groups (Ainslie et al. 2023); rotary positions 0 … S−1 (Su et al. 2021).
    Wq (D, heads·hd), Wk, Wv (D, kv_heads·hd), Wo (heads·hd, D), each with a bias. Samples of a batch never mix.

    JSON: `d_model`, `num_heads`, `num_kv_heads` (num_heads), `head_dim` (d_model / num_heads), `seq_length`
    (S, default: as long as what comes), `causal` (true), `rope` (true), `rope_theta` (1e6), `cache_length`: for
    generating step by step, keep keys and values of that many positions between calls until `reset_state`; causal,
    one sample, and gradients stay within a call.
    """

    kind = "multi_head_attention"
    aliases = ("mha",)
    residual = "after"
    d_model: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    causal: bool = True
    rope: bool = True
    rope_theta: float = DEFAULT_THETA
    cache_length: int = 0

    @classmethod
    def from_fields(cls, f: Fields, in_size: int | None) -> Self:
        activation.resolve(f.any("activation"), f.at("activation"))  # written by the original, not used
        steps = f.integer("seq_length", default=None)
        inferred = ... if in_size is None else in_size // steps if steps else in_size
        width = f.integer("d_model", default=inferred)
        heads = f.integer("num_heads")
        if not f.has("head_dim") and width % heads:
            raise ConfigError(f"{heads} heads do not divide d_model = {width}", where=f.at("num_heads"))
        kv_heads = f.integer("num_kv_heads", default=heads)
        if heads % kv_heads:
            raise ConfigError(f"{kv_heads} does not divide the {heads} heads", where=f.at("num_kv_heads"))
        size = f.integer("head_dim", default=width // heads)
        rope = f.boolean("rope", default=True)
        if rope and size % 2:
            if f.has("rope"):
                raise ConfigError(f"rotary positions need an even head_dim, not {size}", where=f.at("rope"))
            rope = False
        if in_size is not None and in_size % width:
            raise ConfigError(f"d_model = {width} does not divide the {in_size} inputs", where=f.at("d_model"))
        causal, cache = f.boolean("causal", default=True), f.integer("cache_length", default=0, minimum=0)
        if cache and not causal:
            raise ConfigError("a cache needs causal attention", where=f.at("cache_length"))
        total = in_size if in_size is not None else steps * width if steps and not cache else None
        if cache:
            total = None  # as many steps a call as the caller likes
        return cls(
            in_size=total,
            out_size=total,
            d_model=width,
            num_heads=heads,
            num_kv_heads=kv_heads,
            head_dim=size,
            causal=causal,
            rope=rope,
            rope_theta=f.number("rope_theta", default=DEFAULT_THETA, above=0),
            cache_length=cache,
        )

    def to_json(self) -> Json:
        record: Json = {"type": self.kind, "activation": "relu", "d_model": self.d_model, "num_heads": self.num_heads}
        if self.in_size is not None:
            record["seq_length"] = self.in_size // self.d_model
        defaults = {
            "num_kv_heads": self.num_heads,
            "head_dim": self.d_model / self.num_heads,
            "causal": True,
            "rope": self.head_dim % 2 == 0,
            "rope_theta": DEFAULT_THETA,
            "cache_length": 0,
        }
        return record | {name: getattr(self, name) for name, value in defaults.items() if getattr(self, name) != value}

    @property
    def _shapes(self) -> dict[str, tuple[int, int]]:
        q, kv = self.num_heads * self.head_dim, self.num_kv_heads * self.head_dim
        return {"q": (self.d_model, q), "k": (self.d_model, kv), "v": (self.d_model, kv), "o": (q, self.d_model)}

    def init(self, rng: np.random.Generator) -> Params:
        """Weights ~ U(±0.1), biases 0: LOOM's `InitializeWeights`."""
        weights = {name: rng.uniform(-0.1, 0.1, shape).astype(np.float32) for name, shape in self._shapes.items()}
        return weights | {f"{name}_bias": np.zeros(shape[1], np.float32) for name, shape in self._shapes.items()}

    @property
    def weight_fields(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        weight = {"q": "q_weights", "k": "k_weights", "v": "v_weights", "o": "output_weight"}
        bias = {"q": "q_bias", "k": "k_bias", "v": "v_bias", "o": "output_bias"}
        fields: dict[str, tuple[str, tuple[int, ...]]] = {n: (weight[n], shape) for n, shape in self._shapes.items()}
        return fields | {f"{n}_bias": (bias[n], (shape[1],)) for n, shape in self._shapes.items()}

    @property
    def _frequencies(self) -> Array:
        return self.rope_theta ** -(np.arange(0, self.head_dim, 2, dtype=np.float64) / self.head_dim)

    def init_state(self, batch: int, dtype: Any) -> State:
        if not self.cache_length:
            return {}
        if batch != 1:
            raise InputError(f"attention with a cache takes one sample at a time, got {batch}", where="input")
        shape = (self.cache_length, self.num_kv_heads, self.head_dim)
        return {"keys": np.zeros(shape, dtype), "values": np.zeros(shape, dtype), "length": 0}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State) -> tuple[Tensor, Any]:
        batch, steps = x.shape[0], x.shape[1] // self.d_model
        if steps * self.d_model != x.shape[1]:
            raise InputError(f"expected a multiple of d_model = {self.d_model} values, got {x.shape[1]}", where="input")
        rows = ops.reshape(x, (batch * steps, self.d_model))
        q, k, v = (self._heads(ops, p, rows, name, batch) for name in "qkv")
        if s:
            mixed, cache = self._cached(ops, q, k, v, s), None
        else:
            if self.rope:
                q, k = ops.rope(q, 0, self._frequencies), ops.rope(k, 0, self._frequencies)
            y, probabilities = ops.attend(q, k, v, causal=self.causal)
            mixed = ops.reshape(y, (batch * steps, self.num_heads * self.head_dim))
            cache = (rows, q, k, v, probabilities, mixed)
        return ops.reshape(ops.matmul(mixed, p["o"], p["o_bias"]), x.shape), cache

    def _heads(self, ops: Ops, p: Params, rows: Tensor, name: str, batch: int) -> Tensor:
        """One projection as (B, S, heads, hd)."""
        heads = self.num_heads if name == "q" else self.num_kv_heads
        return ops.reshape(ops.matmul(rows, p[name], p[f"{name}_bias"]), (batch, -1, heads, self.head_dim))

    def _cached(self, ops: Ops, q: Tensor, k: Tensor, v: Tensor, s: State) -> Tensor:
        """New positions appended to what the cache holds, attention over all of it → (S, heads·hd)."""
        position, steps = s["length"], q.shape[1]
        if position + steps > self.cache_length:
            raise InputError(
                f"{position + steps} positions do not fit the cache of {self.cache_length}",
                where="input",
                remedy="Call reset_state, or raise cache_length.",
            )
        q, k, v = (ops.reshape(t, t.shape[1:]) for t in (q, k, v))
        if self.rope:
            q, k = ops.rope(q, position, self._frequencies), ops.rope(k, position, self._frequencies)
        ops.cache_write(s["keys"], k, position)
        ops.cache_write(s["values"], v, position)
        s["length"] = position + steps
        y = ops.attention(q, s["keys"], s["values"], position)
        return ops.reshape(y, (steps, self.num_heads * self.head_dim))

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        if cache is None:
            raise InputError("attention with a cache has no backward pass", remedy="Train without cache_length.")
        rows, q, k, v, probabilities, mixed = cache
        g = ops.reshape(gy, rows.shape)
        g_mixed = ops.reshape(ops.matmul(g, p["o"], transpose_b=True), q.shape)
        gq, gk, gv = ops.attend_grad(q, k, v, probabilities, g_mixed)
        if self.rope:
            gq, gk = (ops.rope(t, 0, self._frequencies, inverse=True) for t in (gq, gk))
        grads: Params = {"o": ops.matmul(mixed, g, transpose_a=True), "o_bias": ops.sum(g, axis=0)}
        gx = None
        for name, part in (("q", gq), ("k", gk), ("v", gv)):
            flat = ops.reshape(part, (rows.shape[0], self._shapes[name][1]))
            grads |= {name: ops.matmul(rows, flat, transpose_a=True), f"{name}_bias": ops.sum(flat, axis=0)}
            share = ops.matmul(flat, p[name], transpose_b=True)
            gx = share if gx is None else ops.add(gx, share)
        return ops.reshape(gx, gy.shape), {name: grads[name] for name in p}

    def gradients_flat(self, grads: Params) -> tuple[list[Array], list[Array]]:
        """The original's order: Q, K, V, O."""
        return [grads[n] for n in "qkvo"], [grads[f"{n}_bias"] for n in "qkvo"]
