"""SRU: f_t = σ(W_f x_t + v_f ⊙ c_{t−1} + b_f);  c_t = f_t c_{t−1} + (1 − f_t) W x_t;  h_t = r_t c_t + (1 − r_t) x_t."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..runtime.ops import Ops, Tensor
from ..schema.fields import Json
from .affine import affine_grad
from .layer import Params, Shape, State, WeightFields, uniform
from .recurrent import Recurrent
from .registry import register


@register
@dataclass(frozen=True, kw_only=True)
class SRU(Recurrent):
    """Simple recurrent unit (Lei et al. 2018): x (B, T·I) → h_1 … h_T (B, T·H), r_t as f_t with W_r, v_r, b_r.

    All products are made for all steps at once; the recurrence is elementwise. Where I ≠ H the highway takes a fourth
    product W_h x in the place of x, as the authors' code does; their scale of the highway is 1. Stacked: W, W_f, W_r
    (and W_h): (3H or 4H, I); v_f, v_r: (2, H); b_f, b_r: (2H,).

    JSON: as `rnn`.
    """

    kind = "sru"
    gates = 3
    state_names = ("c",)

    @property
    def _products(self) -> int:
        return 3 if self.input_size == self.hidden_size else 4

    @property
    def weight_fields(self) -> WeightFields:
        size = self.hidden_size
        return {
            "weight_ih": ("weight_ih", (self._products * size, self.input_size)),
            "weight_c": ("weight_c", (2, size)),
            "bias": ("bias_h", (2 * size,)),
        }

    def init(self, rng: np.random.Generator) -> Params:
        """Weights ~ U(±0.1), bias 0, as of the other recurrent layers."""
        shapes = {name: shape for name, (_, shape) in self.weight_fields.items()}
        weights = {name: uniform(rng, 0.1, shapes[name]) for name in ("weight_ih", "weight_c")}
        return {**weights, "bias": np.zeros(shapes["bias"], np.float32)}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        batch, steps, size = x.shape[0], self.seq_length, self.hidden_size
        rows = ops.reshape(x, (batch * steps, self.input_size))
        zeros = ops.zeros((size,), like=x)
        bias = ops.concat([zeros, p["bias"], *[zeros] * (self._products - 3)], axis=0)
        product = ops.matmul(rows, p["weight_ih"], bias, transpose_b=True)
        u = ops.reshape(product, (batch, steps, self._products * size))
        w, zf, zr = (ops.narrow(u, 2, k * size, size) for k in range(3))
        highway = ops.reshape(x, w.shape) if self._products == 3 else ops.narrow(u, 2, 3 * size, size)
        vf = self._spread(ops, p, 0, x, batch)
        c = [self._start(ops, x, s, "c")]
        gates: list[Tensor] = []
        for t in range(steps):
            wt = _step(ops, w, t)
            gates.append(ops.add(_step(ops, zf, t), ops.mul(vf, c[-1])))
            f = ops.activate("sigmoid", gates[-1])
            c.append(ops.add(wt, ops.mul(f, _difference(ops, c[-1], wt))))
        states, before = _joined(ops, c[1:]), _joined(ops, c[:-1])
        self._carry(ops, s, "c", states)
        zr = ops.add(zr, ops.mul(self._spread_all(ops, p, 1, x, w.shape), before))
        h = ops.add(highway, ops.mul(ops.activate("sigmoid", zr), _difference(ops, states, highway)))
        return ops.reshape(h, (batch, self.out_size)), (rows, w, highway, c, gates, before, states, zr)

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """From t = T down, gc_t = gh_t r_t + v_r gz_r,t+1 + v_f gz_f,t+1 + gc_{t+1} f_{t+1};

        gz_r = σ′ gh (c − x);  gz_f,t = σ′ gc_t (c_{t−1} − W x_t);  g(W x)_t = gc_t (1 − f_t);  gx += gh (1 − r).
        """
        rows, w, highway, c, gates, before, states, zr = cache
        batch, steps, size = w.shape
        gh, r = ops.reshape(gy, w.shape), ops.activate("sigmoid", zr)
        gzr = ops.activate_grad("sigmoid", zr, ops.mul(gh, _difference(ops, states, highway)))
        g_states = ops.mul(gh, r)
        g_highway = _difference(ops, gh, g_states)
        g_before = ops.mul(gzr, self._spread_all(ops, p, 1, gy, w.shape))
        vf, carried = self._spread(ops, p, 0, gy, batch), ops.zeros((batch, size), like=gy)
        gw: list[Tensor] = []
        gzf: list[Tensor] = []
        for t in reversed(range(steps)):
            gc = ops.add(_step(ops, g_states, t), carried)
            kept = ops.mul(gc, ops.activate("sigmoid", gates[t]))
            slope = ops.mul(gc, _difference(ops, c[t], _step(ops, w, t)))
            gzf.insert(0, ops.activate_grad("sigmoid", gates[t], slope))
            gw.insert(0, _difference(ops, gc, kept))
            carried = ops.add(ops.add(kept, ops.mul(gzf[0], vf)), _step(ops, g_before, t))
        all_zf = _joined(ops, gzf)
        parts = [_joined(ops, gw), all_zf, gzr, *([g_highway] if self._products == 4 else [])]
        gu = ops.reshape(ops.concat(parts, axis=2), (batch * steps, self._products * size))
        gx, g_weight, g_bias = affine_grad(ops, rows, p["weight_ih"], gu, transposed=True)
        if self._products == 3:
            gx = ops.add(gx, ops.reshape(g_highway, gx.shape))
        g_c = [ops.sum(ops.reshape(ops.mul(g, before), (batch * steps, size)), axis=0) for g in (all_zf, gzr)]
        return ops.reshape(gx, (batch, self.in_size)), {
            "weight_ih": g_weight,
            "weight_c": ops.concat([ops.reshape(g, (1, size)) for g in g_c], axis=0),
            "bias": ops.narrow(g_bias, 0, size, 2 * size),
        }

    @classmethod
    def recognise(cls, shapes: Mapping[str, Shape]) -> Json | None:
        if set(shapes) != {"weight_ih", "weight_c", "bias"} or len(shapes["weight_ih"]) != 2:
            return None
        return {"input_size": shapes["weight_ih"][1], "hidden_size": shapes["weight_c"][-1]}

    def _spread(self, ops: Ops, p: Params, row: int, like: Tensor, count: int) -> Tensor:
        """v_f (row 0) or v_r (row 1), once for each of `count` rows: (count, H)."""
        return ops.matmul(np.ones((count, 1), like.dtype), ops.narrow(p["weight_c"], 0, row, 1))

    def _spread_all(self, ops: Ops, p: Params, row: int, like: Tensor, shape: tuple[int, ...]) -> Tensor:
        return ops.reshape(self._spread(ops, p, row, like, shape[0] * shape[1]), shape)


def _step(ops: Ops, x: Tensor, t: int) -> Tensor:
    """x (B, T, H) at step t, (B, H)."""
    return ops.reshape(ops.narrow(x, 1, t, 1), (x.shape[0], x.shape[2]))


def _joined(ops: Ops, steps: list[Tensor]) -> Tensor:
    """(B, H) of every step → (B, T, H)."""
    return ops.concat([ops.reshape(x, (x.shape[0], 1, x.shape[1])) for x in steps], axis=1)


def _difference(ops: Ops, a: Tensor, b: Tensor) -> Tensor:
    return ops.add(a, ops.scale(b, -1.0))
