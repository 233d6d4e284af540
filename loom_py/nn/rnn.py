"""Elman RNN: h_t = tanh(W_ih x_t + W_hh h_{t−1} + b)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..runtime.ops import Ops, Tensor
from .layer import Array, Params, State, WeightFields
from .recurrent import Recurrent
from .registry import register


@register
@dataclass(frozen=True, kw_only=True)
class RNN(Recurrent):
    """x (B, T·I) → h_1 … h_T (B, T·H); W_ih (H, I), W_hh (H, H), one bias (H,)."""

    kind = "rnn"
    number = 3
    gates = 1
    state_names = ("h",)

    @property
    def weight_fields(self) -> WeightFields:
        i, h = self.input_size, self.hidden_size
        return {"weight_ih": ("weight_ih", (h, i)), "weight_hh": ("weight_hh", (h, h)), "bias": ("bias_h", (h,))}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        rows, zx = self._inputs(ops, p, x)
        h0 = self._start(ops, x, s, "h")
        h = ops.rnn_sequence(zx, p["weight_hh"], h0)
        self._carry(ops, s, "h", h)
        return ops.reshape(h, (x.shape[0], self.out_size)), (rows, h0, h)

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """Backpropagation through time (Werbos 1990), from t = T down:

        gz_t = (gy_t + gz_{t+1} W_hh) ⊙ (1 − h_t²);  gW_hh = Σ_t gz_tᵀ h_{t−1};  gW_ih = Σ_t gz_tᵀ x_t;
        gx_t = gz_t W_ih.
        """
        rows, h0, h = cache
        gh = ops.reshape(gy, h.shape)
        gz, g_hh, _ = ops.rnn_sequence_grad(h, p["weight_hh"], h0, gh)
        return self._grads(ops, p, rows, gz, g_hh)

    def gradients_flat(self, grads: Params) -> tuple[list[Array], list[Array]]:
        """The original's kernel order: IH, HH, b."""
        return [grads["weight_ih"], grads["weight_hh"], grads["bias"]], []
