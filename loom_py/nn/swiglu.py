"""SwiGLU feed-forward: y = (silu(x Wg + bg) ⊙ (x Wu + bu)) Wd + bd   (Shazeer 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..errors import ConfigError
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, Json
from . import activation
from .layer import Array, Layer, Params, State
from .registry import register


@register
@dataclass(frozen=True, kw_only=True)
class SwiGLU(Layer):
    """(B, k·H) → the same shape, each run of H = `hidden` values by itself; Wg, Wu (H, M), Wd (M, H).

    JSON: `input_size` or `input_height` (H, default: all), `output_size` or `output_height` (M, the width inside).
    """

    kind = "swiglu"
    residual = "after"
    hidden: int
    middle: int

    @classmethod
    def from_fields(cls, f: Fields, in_size: int | None) -> Self:
        activation.resolve(f.any("activation"), f.at("activation"))  # written by the original, not used
        hidden = f.integer("input_size", "input_height", default=... if in_size is None else in_size)
        if in_size is not None and in_size % hidden:
            raise ConfigError(f"{hidden} does not divide the {in_size} inputs", where=f.at("input_size"))
        middle = f.integer("output_size", "output_height")
        return cls(in_size=in_size, out_size=in_size, hidden=hidden, middle=middle)

    def to_json(self) -> Json:
        sizes = {"input_height": self.hidden, "output_height": self.middle}
        return {"type": self.kind, "activation": "relu", **sizes}

    def init(self, rng: np.random.Generator) -> Params:
        """Weights ~ U(±0.1), biases 0: LOOM's `InitializeWeights`."""
        h, m = self.hidden, self.middle
        weights = {name: rng.uniform(-0.1, 0.1, (h, m)).astype(np.float32) for name in ("gate", "up")}
        down = rng.uniform(-0.1, 0.1, (m, h)).astype(np.float32)
        biases = {f"{name}_bias": np.zeros(n, np.float32) for name, n in (("gate", m), ("up", m), ("down", h))}
        return {**weights, "down": down, **biases}

    @property
    def weight_fields(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        h, m = self.hidden, self.middle
        weights = {"gate": (h, m), "up": (h, m), "down": (m, h)}
        biases = {"gate_bias": (m,), "up_bias": (m,), "down_bias": (h,)}
        return {n: (f"{n}_weights", shape) for n, shape in weights.items()} | {n: (n, s) for n, s in biases.items()}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State) -> tuple[Tensor, Any]:
        rows = ops.reshape(x, (-1, self.hidden))
        gate = ops.matmul(rows, p["gate"], p["gate_bias"])
        up = ops.matmul(rows, p["up"], p["up_bias"])
        middle = ops.silu_mul(gate, up)
        return ops.reshape(ops.matmul(middle, p["down"], p["down_bias"]), x.shape), (rows, gate, up, middle)

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        rows, gate, up, middle = cache
        g = ops.reshape(gy, rows.shape)
        g_gate, g_up = ops.silu_mul_grad(gate, up, ops.matmul(g, p["down"], transpose_b=True))
        grads = {
            "gate": ops.matmul(rows, g_gate, transpose_a=True),
            "up": ops.matmul(rows, g_up, transpose_a=True),
            "down": ops.matmul(middle, g, transpose_a=True),
            "gate_bias": ops.sum(g_gate, axis=0),
            "up_bias": ops.sum(g_up, axis=0),
            "down_bias": ops.sum(g, axis=0),
        }
        gx = ops.add(ops.matmul(g_gate, p["gate"], transpose_b=True), ops.matmul(g_up, p["up"], transpose_b=True))
        return ops.reshape(gx, gy.shape), grads

    def gradients_flat(self, grads: Params) -> tuple[list[Array], list[Array]]:
        return [grads[n] for n in ("gate", "up", "down")], [grads[f"{n}_bias"] for n in ("gate", "up", "down")]
