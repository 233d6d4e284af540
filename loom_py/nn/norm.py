"""Layer normalisation and RMS normalisation."""

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


@dataclass(frozen=True, kw_only=True)
class Norm(Layer):
    """(B, k·n) → the same shape, each run of n = `norm_size` values normalised by itself.

    JSON: `norm_size` (default: all values), `epsilon` (1e-5).
    """

    norm_size: int
    epsilon: float = 1e-5

    @classmethod
    def from_fields(cls, f: Fields, in_size: int | None) -> Self:
        activation.resolve(f.any("activation"), f.at("activation"))  # written by the original, not used
        size = f.integer("norm_size", default=... if in_size is None else in_size)
        if in_size is not None and in_size % size:
            raise ConfigError(f"{size} does not divide the {in_size} inputs", where=f.at("norm_size"))
        return cls(
            in_size=in_size,
            out_size=in_size,
            norm_size=size,
            epsilon=f.number("epsilon", default=0.0, minimum=0) or 1e-5,
        )

    def to_json(self) -> Json:
        return {"type": self.kind, "activation": "relu", "norm_size": self.norm_size, "epsilon": self.epsilon}

    def _rows(self, ops: Ops, x: Tensor) -> Tensor:
        return ops.reshape(x, (-1, self.norm_size))


@register
@dataclass(frozen=True, kw_only=True)
class LayerNorm(Norm):
    """y = (x − mean) / sqrt(var + ε) · gamma + beta   (Ba et al. 2016); the residual stream joins x first."""

    kind = "layer_norm"
    aliases = ("layernorm",)
    residual = "before"

    def init(self, rng: np.random.Generator) -> Params:
        return {"gamma": np.ones(self.norm_size, np.float32), "beta": np.zeros(self.norm_size, np.float32)}

    @property
    def weight_fields(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        return {"gamma": ("gamma", (self.norm_size,)), "beta": ("beta", (self.norm_size,))}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State) -> tuple[Tensor, Any]:
        rows = self._rows(ops, x)
        y = ops.layer_norm(rows, p["gamma"], p["beta"], self.epsilon)
        return ops.reshape(y, x.shape), rows

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        gx, gamma, beta = ops.layer_norm_grad(cache, p["gamma"], self.epsilon, self._rows(ops, gy))
        return ops.reshape(gx, gy.shape), {"gamma": gamma, "beta": beta}


@register
@dataclass(frozen=True, kw_only=True)
class RMSNorm(Norm):
    """y = x / sqrt(mean(x²) + ε) · gamma   (Zhang & Sennrich 2019); its input becomes the residual stream."""

    kind = "rms_norm"
    aliases = ("rmsnorm",)
    residual = "source"

    def init(self, rng: np.random.Generator) -> Params:
        return {"gamma": np.ones(self.norm_size, np.float32)}

    @property
    def weight_fields(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        return {"gamma": ("gamma", (self.norm_size,))}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State) -> tuple[Tensor, Any]:
        rows = self._rows(ops, x)
        return ops.reshape(ops.rms_norm(rows, p["gamma"], self.epsilon), x.shape), rows

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        gx, gamma = ops.rms_norm_grad(cache, p["gamma"], self.epsilon, self._rows(ops, gy))
        return ops.reshape(gx, gy.shape), {"gamma": gamma}
