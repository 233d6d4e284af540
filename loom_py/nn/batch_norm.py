"""Batch normalisation: y = (x − mean) / sqrt(var + ε) · gamma + beta, over the batch, for each feature or channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from ..errors import ConfigError, InputError
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, Json
from .layer import BUFFERS, Layer, Params, Shape, State, WeightFields
from .options import INPUTS, boolean, divisor, integer, real
from .registry import register


@register
@dataclass(frozen=True, kw_only=True)
class BatchNorm(Layer):
    """(B, C·S) → the same shape, each of C channels normalised over batch and positions   (Ioffe & Szegedy 2015).

    Training passes use the mean and the variance of the batch, n = B·S values a channel, and move the running ones:
    m ← (1 − momentum) m + momentum · mean, and v likewise by n / (n − 1) · var. Other passes use the running ones.
    Conventions are torch's; a training pass needs more than one value a channel.

    JSON: `input_size` (inferred), `channels` (C, channels first; default: each input is a feature of its own),
    `epsilon` (1e-5), `momentum` (0.1), `affine` (true: gamma and beta are trained; false: there are none).
    """

    kind = "batch_norm"
    aliases = ("batchnorm",)
    in_size: int = integer("input_size", default=INPUTS)
    out_size: int
    channels: int = integer("channels", "input_channels", default=0)
    epsilon: float = divisor(default=1e-5)
    momentum: float = real(default=0.1, minimum=0)
    affine: bool = boolean(default=True)

    def fitted(self, f: Fields) -> Self:
        channels = self.channels or self.in_size
        if self.in_size % channels:
            raise ConfigError(f"{channels} channels do not divide the {self.in_size} inputs", where=f.at("channels"))
        if self.momentum > 1:
            raise ConfigError(f"{self.momentum:g} must be at most 1", where=f.at("momentum"))
        return replace(self, channels=channels, out_size=self.in_size)

    @property
    def in_shape(self) -> Shape:
        positions = self.in_size // self.channels
        return (self.channels,) if positions == 1 else (self.channels, positions)

    @property
    def out_shape(self) -> Shape:
        return self.in_shape

    def init(self, rng: np.random.Generator) -> Params:
        """gamma = 1, beta = 0, running mean 0 and variance 1."""
        zeros, ones = np.zeros(self.channels, np.float32), np.ones(self.channels, np.float32)
        weights: Params = {"gamma": ones, "beta": zeros} if self.affine else {}
        return weights | {BUFFERS: {"running_mean": zeros.copy(), "running_var": ones.copy()}}

    @property
    def weight_fields(self) -> WeightFields:
        return {name: (name, (self.channels,)) for name in ("gamma", "beta") if self.affine}

    @property
    def buffer_fields(self) -> WeightFields:
        return {name: (name, (self.channels,)) for name in ("running_mean", "running_var")}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        planes = self._planes(ops, x)
        running: Params = p[BUFFERS]
        if training:
            mean, variance = ops.batch_statistics(planes)
            self._keep(ops, running, planes, mean, variance)
        else:  # copies: a training pass may move the running ones before `backward`
            mean, variance = (ops.scale(running[name], 1.0) for name in ("running_mean", "running_var"))
        gamma, beta = self._affine(p, x)
        y = ops.batch_norm(planes, mean, variance, gamma, beta, self.epsilon)
        return ops.reshape(y, x.shape), (planes, mean, variance, gamma, training)

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """With x̂ = (x − mean) / σ and means over the n values of a channel:  g_gamma = Σ gy ⊙ x̂;  g_beta = Σ gy;

        gx = gamma / σ ⊙ (gy − mean(gy) − x̂ mean(gy ⊙ x̂)), after a pass with running statistics gamma / σ ⊙ gy.
        """
        planes, mean, variance, gamma, training = cache
        g = self._planes(ops, gy)
        gx, g_gamma, g_beta = ops.batch_norm_grad(planes, mean, variance, gamma, self.epsilon, g, training)
        return ops.reshape(gx, gy.shape), {"gamma": g_gamma, "beta": g_beta} if self.affine else {}

    def _planes(self, ops: Ops, x: Tensor) -> Tensor:
        """(B, C, S)."""
        return ops.reshape(x, (x.shape[0], self.channels, self.in_size // self.channels))

    def _affine(self, p: Params, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.affine:
            return p["gamma"], p["beta"]
        return np.ones(self.channels, x.dtype), np.zeros(self.channels, x.dtype)

    def _keep(self, ops: Ops, running: Params, planes: Tensor, mean: Tensor, variance: Tensor) -> None:
        """*In place*: move the running statistics towards the batch's."""
        count = planes.shape[0] * planes.shape[2]
        if count == 1:
            raise InputError(
                "batch norm needs more than one value a channel in a training pass, got 1",
                where="input",
                remedy="Train with at least 2 samples a batch, or make an evaluation pass.",
            )
        for name, value, factor in (
            ("running_mean", mean, 1.0),
            ("running_var", variance, count / (count - 1)),
        ):
            before = ops.scale(running[name], 1 - self.momentum)
            ops.assign(running[name], ops.add(before, ops.scale(value, self.momentum * factor)))

    @classmethod
    def recognise(cls, shapes: Mapping[str, Shape]) -> Json | None:
        if not {"running_mean", "running_var"} <= set(shapes) <= {"running_mean", "running_var", "gamma", "beta"}:
            return None
        return {"norm_size": shapes["running_mean"][0]}
