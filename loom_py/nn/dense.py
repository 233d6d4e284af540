"""Fully connected layer: y = f(x W + b)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..errors import ConfigError
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, Json
from . import activation
from .layer import Layer, Params, State
from .registry import register


@register
@dataclass(frozen=True, kw_only=True)
class Dense(Layer):
    """x (B, I) → f(x W + b) (B, O), W (I, O), b (O,).

    JSON: `input_size` (or `input_height`, `width`; inferred from the layer before), `output_size` (or `output_height`,
    `height`), `activation` (default relu).
    """

    kind = "dense"
    in_size: int
    out_size: int
    activation: str = "relu"

    @classmethod
    def from_fields(cls, f: Fields, in_size: int | None) -> Self:
        # Files of the original carry width = height = 1 beside the true sizes, so those two names come last.
        given = f.integer("input_size", "input_height", "width", default=None)
        out = f.integer("output_size", "output_height", "height")
        size = given or in_size
        if size is None:
            raise ConfigError(
                "missing: the input size is not known here", where=f.at("input_size"), remedy="Give input_size."
            )
        return cls(in_size=size, out_size=out, activation=activation.resolve(f.any("activation"), f.at("activation")))

    def to_json(self) -> Json:
        sizes = {"input_height": self.in_size, "output_height": self.out_size}
        return {"type": self.kind, "activation": self.activation, "width": 1, "height": 1, **sizes}

    def init(self, rng: np.random.Generator) -> Params:
        """W ~ U(±1/I), b ~ U(0, 0.01): LOOM's `InitializeWeights`."""
        bound = 1 / self.in_size
        return {
            "kernel": rng.uniform(-bound, bound, (self.in_size, self.out_size)).astype(np.float32),
            "bias": rng.uniform(0, 0.01, self.out_size).astype(np.float32),
        }

    @property
    def weight_fields(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        return {"kernel": ("kernel", (self.in_size, self.out_size)), "bias": ("biases", (self.out_size,))}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State) -> tuple[Tensor, Any]:
        z = ops.matmul(x, p["kernel"], p["bias"])
        y = activation.activate(ops, self.activation, z)
        return y, (x, z, y)

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """gz = gy ⊙ f′(z);  gW = xᵀ gz;  gb = Σ gz;  gx = gz Wᵀ."""
        x, z, y = cache
        gz = activation.activate_grad(ops, self.activation, z, y, gy)
        grads = {"kernel": ops.matmul(x, gz, transpose_a=True), "bias": ops.sum(gz, axis=0)}
        return ops.matmul(gz, p["kernel"], transpose_b=True), grads
