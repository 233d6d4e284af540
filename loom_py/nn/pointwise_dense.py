"""One dense layer for every position of a sequence: y_t = f(x_t W + b)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from ..errors import ConfigError
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields
from .activation import activate, activate_grad, activation_option
from .affine import affine_grad
from .layer import Layer, Params, State, WeightFields, uniform
from .options import INPUTS, integer
from .registry import register


@register
@dataclass(frozen=True, kw_only=True)
class PointwiseDense(Layer):
    """(B, S·I) → (B, S·O): f(x W + b) of each run of I values, W (I, O), b (O,)   (Vaswani et al. 2017, 3.3).

    JSON: `input_size` (I, default: all values), `output_size` (O), `activation` (default linear). A softmax is over the
    O values of a run.
    """

    kind = "pointwise_dense"
    inputs: int = integer("input_size", default=INPUTS)
    outputs: int = integer("output_size")
    activation: str = activation_option("linear")

    def fitted(self, f: Fields) -> Self:
        if self.in_size is None:
            return replace(self, out_size=None)
        if self.in_size % self.inputs:
            raise ConfigError(f"{self.inputs} does not divide the {self.in_size} inputs", where=f.at("input_size"))
        return replace(self, out_size=self.in_size // self.inputs * self.outputs)

    @property
    def run_size(self) -> int | None:
        return self.inputs

    def init(self, rng: np.random.Generator) -> Params:
        """As a dense layer's: W ~ U(±1/I), b ~ U(0, 0.01)."""
        kernel = uniform(rng, 1 / self.inputs, (self.inputs, self.outputs))
        return {"kernel": kernel, "bias": rng.uniform(0, 0.01, self.outputs).astype(np.float32)}

    @property
    def weight_fields(self) -> WeightFields:
        return {"kernel": ("kernel", (self.inputs, self.outputs)), "bias": ("biases", (self.outputs,))}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        rows = ops.reshape(x, (-1, self.inputs))
        z = ops.matmul(rows, p["kernel"], p["bias"])
        y = activate(ops, self.activation, z)
        return ops.reshape(y, (x.shape[0], -1)), (rows, z, y)

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """gz = gy ⊙ f′(z);  gW = Σ_t x_tᵀ gz_t;  gb = Σ_t gz_t;  gx_t = gz_t Wᵀ."""
        rows, z, y = cache
        gz = activate_grad(ops, self.activation, z, y, ops.reshape(gy, y.shape))
        gx, g_kernel, g_bias = affine_grad(ops, rows, p["kernel"], gz)
        return ops.reshape(gx, (gy.shape[0], -1)), {"kernel": g_kernel, "bias": g_bias}
