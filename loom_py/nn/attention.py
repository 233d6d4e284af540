"""Multi-head attention with grouped queries and rotary positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from ..errors import ConfigError, InputError
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, Json
from .activation import ignored_activation
from .affine import affine_grad
from .layer import Array, Layer, Params, Shape, State, WeightFields, uniform
from .options import boolean, integer, real
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
    number = 2
    aliases = ("mha",)
    residual = "after"
    activation: str = ignored_activation("relu")
    d_model: int = integer(default=0)
    num_heads: int = integer()
    num_kv_heads: int = integer(default=0)
    head_dim: int = integer(default=0)
    causal: bool = boolean(default=True)
    rope: bool = boolean(default=True)
    rope_theta: float = real(default=DEFAULT_THETA, above=0)
    cache_length: int = integer(default=0, minimum=0)

    def fitted(self, f: Fields) -> Self:
        inputs, heads, steps = self.in_size, self.num_heads, f.integer("seq_length", default=None)
        width = self.d_model or (0 if inputs is None else inputs // steps if steps else inputs)
        if not width:
            raise ConfigError(
                "missing: no earlier layer fixes this size", where=f.at("d_model"), remedy="Give d_model."
            )
        if not self.head_dim and width % heads:
            raise ConfigError(f"{heads} heads do not divide d_model = {width}", where=f.at("num_heads"))
        kv_heads, size, rope = self.num_kv_heads or heads, self.head_dim or width // heads, self.rope
        if heads % kv_heads:
            raise ConfigError(f"{kv_heads} does not divide the {heads} heads", where=f.at("num_kv_heads"))
        if rope and size % 2:
            if f.has("rope"):
                raise ConfigError(f"rotary positions need an even head_dim, not {size}", where=f.at("rope"))
            rope = False
        if inputs is not None and inputs % width:
            raise ConfigError(f"d_model = {width} does not divide the {inputs} inputs", where=f.at("d_model"))
        if self.cache_length and not self.causal:
            raise ConfigError("a cache needs causal attention", where=f.at("cache_length"))
        total = inputs if inputs is not None else steps * width if steps else None
        if self.cache_length:
            total = None  # as many steps a call as the caller likes
        sizes = {"d_model": width, "num_kv_heads": kv_heads, "head_dim": size}
        return replace(self, in_size=total, out_size=total, rope=rope, **sizes)

    def to_json(self) -> Json:
        """What differs from what `fitted` would fill in."""
        record = super().to_json()
        implied = {
            "num_kv_heads": self.num_heads,
            "head_dim": self.d_model / self.num_heads,
            "causal": True,
            "rope": self.head_dim % 2 == 0,
            "rope_theta": DEFAULT_THETA,
            "cache_length": 0,
        }
        record = {name: value for name, value in record.items() if name not in implied or value != implied[name]}
        return record if self.in_size is None else record | {"seq_length": self.in_size // self.d_model}

    @property
    def in_shape(self) -> Shape:
        return () if self.in_size is None else (self.in_size // self.d_model, self.d_model)

    @property
    def out_shape(self) -> Shape:
        return self.in_shape

    @property
    def _matrices(self) -> dict[str, tuple[int, int]]:
        q, kv = self.num_heads * self.head_dim, self.num_kv_heads * self.head_dim
        return {"q": (self.d_model, q), "k": (self.d_model, kv), "v": (self.d_model, kv), "o": (q, self.d_model)}

    def init(self, rng: np.random.Generator) -> Params:
        """Weights ~ U(±0.1), biases 0: LOOM's `InitializeWeights`."""
        weights = {name: uniform(rng, 0.1, shape) for name, shape in self._matrices.items()}
        return weights | {f"{name}_bias": np.zeros(shape[1], np.float32) for name, shape in self._matrices.items()}

    @property
    def weight_fields(self) -> WeightFields:
        weight = {"q": "q_weights", "k": "k_weights", "v": "v_weights", "o": "output_weight"}
        bias = {"q": "q_bias", "k": "k_bias", "v": "v_bias", "o": "output_bias"}
        fields: WeightFields = {n: (weight[n], shape) for n, shape in self._matrices.items()}
        return fields | {f"{n}_bias": (bias[n], (shape[1],)) for n, shape in self._matrices.items()}

    @property
    def _frequencies(self) -> Array:
        return self.rope_theta ** -(np.arange(0, self.head_dim, 2, dtype=np.float64) / self.head_dim)

    def check_trainable(self, where: str) -> None:
        if self.cache_length:
            remedy = "Train with cache_length 0; the weights are the same."
            place = f"{where}.cache_length"
            raise InputError("attention with a cache has no backward pass", where=place, remedy=remedy)

    def init_state(self, batch: int, dtype: Any) -> State:
        if not self.cache_length:
            return {}
        if batch != 1:
            raise InputError(f"attention with a cache takes one sample at a time, got {batch}", where="input")
        shape = (self.cache_length, self.num_kv_heads, self.head_dim)
        return {"keys": np.zeros(shape, dtype), "values": np.zeros(shape, dtype), "length": 0}

    @property
    def run_size(self) -> int | None:
        return self.d_model

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        batch, steps = x.shape[0], x.shape[1] // self.d_model
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
        """With P = softmax(q kᵀ / √hd), y = P v and g the gradient of y:

        gv = Pᵀ g;  gP = g vᵀ;  gS = P ⊙ (gP − Σ_j gP ⊙ P);  gq = gS k / √hd;  gk = gSᵀ q / √hd;
        q and k turned back by their positions, then through the four projections; gx is the sum of those of q, k and v.
        """
        if cache is None:
            raise InputError("attention with a cache has no backward pass", remedy="Train without cache_length.")
        rows, q, k, v, probabilities, mixed = cache
        parts = {"o": affine_grad(ops, mixed, p["o"], ops.reshape(gy, rows.shape))}
        gq, gk, gv = ops.attend_grad(q, k, v, probabilities, ops.reshape(parts["o"][0], q.shape))
        if self.rope:
            gq, gk = (ops.rope(t, 0, self._frequencies, inverse=True) for t in (gq, gk))
        for name, g in (("q", gq), ("k", gk), ("v", gv)):
            parts[name] = affine_grad(ops, rows, p[name], ops.reshape(g, (rows.shape[0], self._matrices[name][1])))
        gx = ops.add(ops.add(parts["q"][0], parts["k"][0]), parts["v"][0])
        grads = {name: parts[name][1] for name in self._matrices}
        return ops.reshape(gx, gy.shape), grads | {f"{name}_bias": parts[name][2] for name in self._matrices}

    def gradients_flat(self, grads: Params) -> tuple[list[Array], list[Array]]:
        """The original's order: Q, K, V, O."""
        return [grads[n] for n in self._matrices], [grads[f"{n}_bias"] for n in self._matrices]

    @classmethod
    def recognise(cls, shapes: Mapping[str, Shape]) -> Json | None:
        """The number of heads does not follow from the shapes."""
        if not {"q", "k", "v", "o"} <= set(shapes) or len(shapes["q"]) != 2:
            return None
        return {"d_model": shapes["q"][0], "q_size": shapes["q"][1], "kv_size": shapes["k"][-1], "num_heads": None}
