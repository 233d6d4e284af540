"""A skip connection: y = f(x + the input of the layer `skip` places before)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, Json
from . import activation
from .layer import Layer, Params, State
from .registry import register


@register
@dataclass(frozen=True, kw_only=True)
class Residual(Layer):
    """Closes a connection around the `skip` layers before it (He et al. 2015); sizes must be equal.

    The chain of layers adds the earlier tensor (see `nn.chain`), this layer applies the activation.
    JSON: `skip` (default 1: around the layer just before), `activation` (default linear).
    """

    kind = "residual"
    residual = "skip"
    skip: int = 1
    activation: str = "linear"

    @classmethod
    def from_fields(cls, f: Fields, in_size: int | None) -> Self:
        name = activation.resolve(f.any("activation"), f.at("activation"), default="linear")
        return cls(in_size=in_size, out_size=in_size, skip=f.integer("skip", default=1), activation=name)

    def to_json(self) -> Json:
        return {"type": self.kind, "activation": self.activation, "skip": self.skip}

    def init(self, rng: np.random.Generator) -> Params:
        return {}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State) -> tuple[Tensor, Any]:
        y = activation.activate(ops, self.activation, x)
        return y, (x, y)

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        z, y = cache
        return activation.activate_grad(ops, self.activation, z, y, gy), {}
