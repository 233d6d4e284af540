"""LSTM: i, f, o = σ(…), g = tanh(…);  c_t = f c_{t−1} + i g;  h_t = o tanh(c_t)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, Json
from .layer import Array, Params, State, array, floats
from .recurrent import Recurrent
from .registry import register

GATES = "ifgo"


@register
@dataclass(frozen=True, kw_only=True)
class LSTM(Recurrent):
    """x (B, T·I) → h_1 … h_T (B, T·H); gates i, f, g, o stacked: W_ih (4H, I), W_hh (4H, H), bias (4H,)."""

    kind = "lstm"
    number = 4
    gates = 4
    state_names = ("h", "c")

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        rows, zx = self._inputs(ops, p, x)
        h0, c0 = self._start(ops, x, s, "h"), self._start(ops, x, s, "c")
        h, c, gates = ops.lstm_sequence(zx, p["weight_hh"], h0, c0)
        self._carry(ops, s, "h", h)
        self._carry(ops, s, "c", c)
        return ops.reshape(h, (x.shape[0], self.out_size)), (rows, h0, c0, h, c, gates)

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """Backpropagation through time, from t = T down, with gh_t = gy_t + gz_{t+1} W_hh and σ′(a) = σ (1 − σ):

        gc_t = gh_t o_t (1 − tanh² c_t) + gc_{t+1} f_{t+1};  gz_i = gc g i (1 − i);  gz_f = gc c_{t−1} f (1 − f);
        gz_g = gc i (1 − g²);  gz_o = gh tanh(c) o (1 − o);  gW_hh = Σ_t gz_tᵀ h_{t−1};  gW_ih, gx as in `RNN`.
        """
        rows, h0, c0, h, c, gates = cache
        gh = ops.reshape(gy, h.shape)
        gz, g_hh, _, _ = ops.lstm_sequence_grad(h, c, gates, p["weight_hh"], h0, c0, gh)
        return self._grads(ops, p, rows, gz, g_hh)

    @property
    def parameter_count(self) -> int:
        return 4 * self.hidden_size * (self.input_size + self.hidden_size + 1)

    def weights_to_json(self, p: Params) -> Json:
        """One record a gate: weight_ii, weight_hi, bias_i, weight_if, …"""
        record: Json = {}
        for gate, ih, hh, b in self._per_gate(p):
            record |= {f"weight_i{gate}": floats(ih), f"weight_h{gate}": floats(hh), f"bias_{gate}": floats(b)}
        return record

    def weights_from_json(self, f: Fields) -> Params:
        i, h = self.input_size, self.hidden_size
        return {
            "weight_ih": np.concatenate([array(f, f"weight_i{g}", (h, i)) for g in GATES]),
            "weight_hh": np.concatenate([array(f, f"weight_h{g}", (h, h)) for g in GATES]),
            "bias": np.concatenate([array(f, f"bias_{g}", (h,)) for g in GATES]),
        }

    def gradients_flat(self, grads: Params) -> tuple[list[Array], list[Array]]:
        """The original's kernel order: for each gate IH, HH, b."""
        return [part for _, *parts in self._per_gate(grads) for part in parts], []

    def _per_gate(self, p: Params) -> list[tuple[str, Array, Array, Array]]:
        h = self.hidden_size
        rows = [(gate, slice(k * h, (k + 1) * h)) for k, gate in enumerate(GATES)]
        return [(gate, p["weight_ih"][r], p["weight_hh"][r], p["bias"][r]) for gate, r in rows]
