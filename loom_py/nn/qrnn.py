"""QRNN: z, f, o = tanh, σ, σ(W * x);  c_t = f_t ⊙ c_{t−1} + (1 − f_t) ⊙ z_t;  h_t = o_t ⊙ c_t."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..runtime.ops import Ops, Tensor
from ..schema.fields import Json
from .affine import affine_grad
from .layer import Params, Shape, State, WeightFields, uniform
from .options import integer
from .recurrent import Recurrent
from .registry import register
from .scan import advanced, scan, scan_grad


@register
@dataclass(frozen=True, kw_only=True)
class QRNN(Recurrent):
    """Quasi-recurrent network with fo-pooling (Bradbury et al. 2016): x (B, T·I) → h_1 … h_T (B, T·H).

    Convolutions over the last `kernel_size` k steps, which are 0 before the first, make all gates at once; what is left
    of the recurrence is linear, and runs over all steps in parallel (`scan`). z, f, o stacked: W (3H, k·I), the latest
    step first, bias (3H,).

    JSON: as `rnn`, and `kernel_size` (2). `stateful` carries c and the last k − 1 inputs.
    """

    kind = "qrnn"
    gates = 3
    state_names = ("c",)
    kernel_size: int = integer(default=2)

    @property
    def weight_fields(self) -> WeightFields:
        rows = 3 * self.hidden_size
        return {
            "weight_ih": ("weight_ih", (rows, self.kernel_size * self.input_size)),
            "bias": ("bias_h", (rows,)),
        }

    def init(self, rng: np.random.Generator) -> Params:
        """Weights ~ U(±0.1), bias 0, as of the other recurrent layers."""
        fields = self.weight_fields
        return {"weight_ih": uniform(rng, 0.1, fields["weight_ih"][1]), "bias": np.zeros(fields["bias"][1], np.float32)}

    def init_state(self, batch: int, dtype: Any) -> State:
        state = super().init_state(batch, dtype)
        if state and self.kernel_size > 1:
            state["x"] = np.zeros((batch, self.kernel_size - 1, self.input_size), dtype)
        return state

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        batch, steps, size = x.shape[0], self.seq_length, self.hidden_size
        rows = ops.reshape(self._windows(ops, x, s), (batch * steps, -1))
        product = ops.matmul(rows, p["weight_ih"], p["bias"], transpose_b=True)
        a = [ops.narrow(ops.reshape(product, (batch, steps, 3 * size)), 2, k * size, size) for k in range(3)]
        z, f, o = (ops.activate(name, part) for name, part in zip(FUNCTIONS, a, strict=True))
        first = ops.reshape(self._start(ops, x, s, "c"), (batch, 1, size))
        v = ops.add(z, ops.scale(ops.mul(f, z), -1.0))
        with_start = scan(ops, ops.concat([ops.zeros(first.shape, like=x), f], axis=1), ops.concat([first, v], axis=1))
        c = ops.narrow(with_start, 1, 1, steps)
        self._carry(ops, s, "c", c)
        h = ops.mul(o, c)
        return ops.reshape(h, (batch, self.out_size)), (rows, a, z, f, o, with_start)

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """go = gh ⊙ c;  gc = gh ⊙ o;  gv_t = gc_t + f_{t+1} gv_{t+1};

        gz = gv ⊙ (1 − f);  gf_t = gv_t ⊙ (c_{t−1} − z_t);  then through tanh and σ, and the product of the windows.
        """
        rows, a, z, f, o, with_start = cache
        batch, steps, size = f.shape
        gh = ops.reshape(gy, f.shape)
        c, before = (ops.narrow(with_start, 1, at, steps) for at in (1, 0))
        gv = scan_grad(ops, f, ops.mul(gh, o))
        slopes = (
            ops.add(gv, ops.scale(ops.mul(gv, f), -1.0)),
            ops.mul(gv, ops.add(before, ops.scale(z, -1.0))),
            ops.mul(gh, c),
        )
        parts = [ops.activate_grad(name, b, g) for name, b, g in zip(FUNCTIONS, a, slopes, strict=True)]
        ga = ops.reshape(ops.concat(parts, axis=2), (batch * steps, 3 * size))
        g_rows, g_weight, g_bias = affine_grad(ops, rows, p["weight_ih"], ga, transposed=True)
        gx = self._windows_grad(ops, ops.reshape(g_rows, (batch, steps, -1)))
        return ops.reshape(gx, (batch, self.in_size)), {"weight_ih": g_weight, "bias": g_bias}

    @classmethod
    def recognise(cls, shapes: Mapping[str, Shape]) -> Json | None:
        if set(shapes) != {"weight_ih", "bias"} or len(shapes["weight_ih"]) != 2:
            return None
        rows, window = shapes["weight_ih"]
        return None if rows % 3 or shapes["bias"] != (rows,) else {"window": window, "hidden_size": rows // 3}

    def _windows(self, ops: Ops, x: Tensor, s: State) -> Tensor:
        """x_t, x_{t−1}, … x_{t−k+1} side by side, (B, T, k·I); the last k − 1 inputs are kept for the next call."""
        x = ops.reshape(x, (x.shape[0], self.seq_length, self.input_size))
        past = self.kernel_size - 1
        if not past:
            return x
        earlier = ops.scale(s["x"], 1.0) if s else ops.zeros((x.shape[0], past, self.input_size), like=x)
        all_steps = ops.concat([earlier, x], axis=1)
        if s:
            ops.assign(s["x"], ops.narrow(all_steps, 1, self.seq_length, past))
        return ops.concat([ops.narrow(all_steps, 1, past - j, self.seq_length) for j in range(past + 1)], axis=2)

    def _windows_grad(self, ops: Ops, g: Tensor) -> Tensor:
        """gx_t = Σ_j of what step t + j gives back to its j-th window place."""
        gx = ops.narrow(g, 2, 0, self.input_size)
        for j in range(1, min(self.kernel_size, self.seq_length)):
            gx = ops.add(gx, advanced(ops, ops.narrow(g, 2, j * self.input_size, self.input_size), j))
        return gx


FUNCTIONS = ("tanh", "sigmoid", "sigmoid")
"""Of z, f and o."""
