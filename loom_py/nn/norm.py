"""Layer normalisation and RMS normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..errors import ConfigError
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields
from .activation import ignored_activation
from .layer import Layer, Params, State, WeightFields
from .options import INPUTS, divisor, integer
from .registry import register


@dataclass(frozen=True, kw_only=True)
class Norm(Layer):
    """(B, k·n) → the same shape, each run of n = `norm_size` values normalised by itself.

    JSON: `norm_size` (default: all values), `epsilon` (1e-5; without one a run of equal values would give 0 / 0).
    """

    activation: str = ignored_activation("relu")
    norm_size: int = integer(default=INPUTS)
    epsilon: float = divisor(default=1e-5)

    def fitted(self, f: Fields) -> Self:
        if self.in_size is not None and self.in_size % self.norm_size:
            raise ConfigError(f"{self.norm_size} does not divide the {self.in_size} inputs", where=f.at("norm_size"))
        return self

    @property
    def run_size(self) -> int | None:
        return self.norm_size

    def _rows(self, ops: Ops, x: Tensor) -> Tensor:
        return ops.reshape(x, (-1, self.norm_size))


@register
@dataclass(frozen=True, kw_only=True)
class LayerNorm(Norm):
    """y = (x − mean) / sqrt(var + ε) · gamma + beta   (Ba et al. 2016); the residual stream joins x first."""

    kind = "layer_norm"
    number = 6
    aliases = ("layernorm",)
    residual = "before"

    def init(self, rng: np.random.Generator) -> Params:
        return {"gamma": np.ones(self.norm_size, np.float32), "beta": np.zeros(self.norm_size, np.float32)}

    @property
    def weight_fields(self) -> WeightFields:
        return {"gamma": ("gamma", (self.norm_size,)), "beta": ("beta", (self.norm_size,))}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        rows = self._rows(ops, x)
        y = ops.layer_norm(rows, p["gamma"], p["beta"], self.epsilon)
        return ops.reshape(y, x.shape), rows

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """With x̂ = (x − mean) / σ and h = gy ⊙ gamma, means over the run:

        gx = (h − mean(h) − x̂ mean(h ⊙ x̂)) / σ;  g_gamma = Σ gy ⊙ x̂;  g_beta = Σ gy.
        """
        gx, gamma, beta = ops.layer_norm_grad(cache, p["gamma"], self.epsilon, self._rows(ops, gy))
        return ops.reshape(gx, gy.shape), {"gamma": gamma, "beta": beta}


@register
@dataclass(frozen=True, kw_only=True)
class RMSNorm(Norm):
    """y = x / sqrt(mean(x²) + ε) · gamma   (Zhang & Sennrich 2019); its input becomes the residual stream."""

    kind = "rms_norm"
    number = 8
    aliases = ("rmsnorm",)
    residual = "source"

    def init(self, rng: np.random.Generator) -> Params:
        return {"gamma": np.ones(self.norm_size, np.float32)}

    @property
    def weight_fields(self) -> WeightFields:
        return {"gamma": ("gamma", (self.norm_size,))}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        rows = self._rows(ops, x)
        return ops.reshape(ops.rms_norm(rows, p["gamma"], self.epsilon), x.shape), rows

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """With r = sqrt(mean(x²) + ε) and h = gy ⊙ gamma, means over the run:

        gx = (h − x mean(h ⊙ x) / r²) / r;  g_gamma = Σ gy ⊙ x / r.
        """
        gx, gamma = ops.rms_norm_grad(cache, p["gamma"], self.epsilon, self._rows(ops, gy))
        return ops.reshape(gx, gy.shape), {"gamma": gamma}
