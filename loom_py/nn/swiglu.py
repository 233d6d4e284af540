"""SwiGLU feed-forward: y = (silu(x Wg + bg) ⊙ (x Wu + bu)) Wd + bd   (Shazeer 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..errors import ConfigError
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, Json
from .activation import ignored_activation
from .affine import affine_grad
from .layer import Array, Layer, Params, Shape, State, WeightFields, uniform
from .options import INPUTS, integer
from .registry import register


@register
@dataclass(frozen=True, kw_only=True)
class SwiGLU(Layer):
    """(B, k·H) → the same shape, each run of H = `hidden` values by itself; Wg, Wu (H, M), Wd (M, H).

    JSON: `input_size` or `input_height` (H, default: all), `output_size` or `output_height` (M, the width inside).
    """

    kind = "swiglu"
    number = 9
    residual = "after"
    activation: str = ignored_activation("relu")
    hidden: int = integer("input_size", "input_height", default=INPUTS, saved="input_height")
    middle: int = integer("output_size", "output_height", saved="output_height")

    def fitted(self, f: Fields) -> Self:
        if self.in_size is not None and self.in_size % self.hidden:
            raise ConfigError(f"{self.hidden} does not divide the {self.in_size} inputs", where=f.at("input_size"))
        return self

    @property
    def _matrices(self) -> dict[str, tuple[int, int]]:
        h, m = self.hidden, self.middle
        return {"gate": (h, m), "up": (h, m), "down": (m, h)}

    def init(self, rng: np.random.Generator) -> Params:
        """Weights ~ U(±0.1), biases 0: LOOM's `InitializeWeights`."""
        weights = {name: uniform(rng, 0.1, shape) for name, shape in self._matrices.items()}
        return weights | {f"{name}_bias": np.zeros(shape[1], np.float32) for name, shape in self._matrices.items()}

    @property
    def weight_fields(self) -> WeightFields:
        fields: WeightFields = {name: (f"{name}_weights", shape) for name, shape in self._matrices.items()}
        return fields | {f"{name}_bias": (f"{name}_bias", (shape[1],)) for name, shape in self._matrices.items()}

    @property
    def run_size(self) -> int | None:
        return self.hidden

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        rows = ops.reshape(x, (-1, self.hidden))
        gate = ops.matmul(rows, p["gate"], p["gate_bias"])
        up = ops.matmul(rows, p["up"], p["up_bias"])
        middle = ops.silu_mul(gate, up)
        return ops.reshape(ops.matmul(middle, p["down"], p["down_bias"]), x.shape), (rows, gate, up, middle)

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """With a = x Wg + bg, u = x Wu + bu, m = silu(a) ⊙ u and gm = gy Wdᵀ:

        ga = gm ⊙ u ⊙ silu′(a);  gu = gm ⊙ silu(a);  gx = ga Wgᵀ + gu Wuᵀ;  gWd = mᵀ gy, gWg = xᵀ ga, gWu = xᵀ gu.
        """
        rows, gate, up, middle = cache
        g_middle, down, down_bias = affine_grad(ops, middle, p["down"], ops.reshape(gy, rows.shape))
        g_gate, g_up = ops.silu_mul_grad(gate, up, g_middle)
        gx_gate, gate_weight, gate_bias = affine_grad(ops, rows, p["gate"], g_gate)
        gx_up, up_weight, up_bias = affine_grad(ops, rows, p["up"], g_up)
        grads = {"gate": gate_weight, "up": up_weight, "down": down}
        grads |= {"gate_bias": gate_bias, "up_bias": up_bias, "down_bias": down_bias}
        return ops.reshape(ops.add(gx_gate, gx_up), gy.shape), grads

    def gradients_flat(self, grads: Params) -> tuple[list[Array], list[Array]]:
        """The original's order: gate, up, down."""
        return [grads[n] for n in self._matrices], [grads[f"{n}_bias"] for n in self._matrices]

    @classmethod
    def recognise(cls, shapes: Mapping[str, Shape]) -> Json | None:
        if not {"gate", "up", "down"} <= set(shapes) or len(shapes["gate"]) != 2:
            return None
        return {"hidden": shapes["gate"][0], "intermediate": shapes["gate"][1]}
