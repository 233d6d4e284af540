"""Fully connected layer: y = f(x W + b)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..runtime.ops import Ops, Tensor
from ..schema.fields import Json
from .activation import Logits, activate, activate_grad, activation_option, logits_of
from .affine import affine_grad
from .layer import Layer, Params, Shape, State, WeightFields, uniform
from .options import INPUTS, integer
from .registry import register


@register
@dataclass(frozen=True, kw_only=True)
class Dense(Layer):
    """x (B, I) → f(x W + b) (B, O), W (I, O), b (O,).

    JSON: `input_size` (or `input_height`, `width`; inferred from the layer before), `output_size` (or `output_height`,
    `height`), `activation` (default relu).
    """

    kind = "dense"
    number = 0
    # Files of the original carry width = height = 1 beside the true sizes, so those two names come last.
    in_size: int = integer("input_size", "input_height", "width", default=INPUTS, saved="input_height")
    out_size: int = integer("output_size", "output_height", "height", saved="output_height")
    activation: str = activation_option("relu")

    def to_json(self) -> Json:
        return super().to_json() | {"width": 1, "height": 1}

    def init(self, rng: np.random.Generator) -> Params:
        """W ~ U(±1/I), b ~ U(0, 0.01): LOOM's `InitializeWeights`."""
        kernel = uniform(rng, 1 / self.in_size, (self.in_size, self.out_size))
        return {"kernel": kernel, "bias": rng.uniform(0, 0.01, self.out_size).astype(np.float32)}

    @property
    def weight_fields(self) -> WeightFields:
        return {"kernel": ("kernel", (self.in_size, self.out_size)), "bias": ("biases", (self.out_size,))}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        z = ops.matmul(x, p["kernel"], p["bias"])
        y = activate(ops, self.activation, z)
        return y, (x, z, y)

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """gz = gy ⊙ f′(z);  gW = xᵀ gz;  gb = Σ gz;  gx = gz Wᵀ."""
        x, z, y = cache
        gx, g_kernel, g_bias = affine_grad(ops, x, p["kernel"], activate_grad(ops, self.activation, z, y, gy))
        return gx, {"kernel": g_kernel, "bias": g_bias}

    def logits(self, cache: Any) -> Logits | None:
        return logits_of(self.activation, cache[1])

    def backward_logits(self, ops: Ops, p: Params, cache: Any, gz: Tensor) -> tuple[Tensor, Params]:
        gx, g_kernel, g_bias = affine_grad(ops, cache[0], p["kernel"], gz)
        return gx, {"kernel": g_kernel, "bias": g_bias}

    @classmethod
    def recognise(cls, shapes: Mapping[str, Shape]) -> Json | None:
        shape = shapes.get("kernel", ())
        return {"in": shape[0], "out": shape[1]} if len(shape) == 2 else None
