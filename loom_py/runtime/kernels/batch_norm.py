"""Normalisation of channels over a batch: x (B, C, S), S positions a channel. Sums are taken in float64."""

from __future__ import annotations

import numpy as np

from ..kernel import Array, Gradients, kernel
from ..ops import Ops, Tensor
from ..signature import signature
from .norm import EPS


def _batch_statistics_rule(
    ops: Ops, statistics: tuple[Tensor, Tensor], gradients: tuple[Tensor | None, Tensor | None], /, x: Tensor
) -> Gradients:
    """gx = (gmean + 2 (x − mean) gvariance) / n for n values a channel; the variance's own mean adds nothing."""
    mean, variance = statistics
    count = x.shape[0] * x.shape[2]
    gmean, gvariance = (ops.zeros(mean.shape, like=mean) if g is None else g for g in gradients)
    ones = np.ones(variance.shape, x.dtype)
    return {"x": ops.batch_norm(x, mean, ones, ops.scale(gvariance, 2 / count), ops.scale(gmean, 1 / count), 0.0)}


@kernel(shapes=signature("x B C S", "C", "C", cost="16 B C S"), gradient=_batch_statistics_rule)
def batch_statistics(x: Array) -> tuple[Array, Array]:
    """Mean and population variance of each channel: x (B, C, S) → (C,), (C,)."""
    mean = x.mean(axis=(0, 2), dtype=np.float64)
    variance = np.square(x - mean[:, None]).mean(axis=(0, 2))
    return mean.astype(x.dtype), variance.astype(x.dtype)


def _batch_norm_rule(
    ops: Ops,
    y: Tensor,
    gy: Tensor,
    /,
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor,
    beta: Tensor,
    eps: float,
) -> Gradients:
    """With r = 1/sqrt(variance + eps): gmean = −gamma r gbeta, gvariance = −gamma r² ggamma / 2."""
    gx, ggamma, gbeta = ops.batch_norm_grad(x, mean, variance, gamma, eps, gy, own=False)
    ones, zeros = np.ones(gamma.shape, x.dtype), np.zeros(gamma.shape, x.dtype)
    sample = np.ones((1, gamma.shape[0], 1), x.dtype)  # normalised, it is r
    r = ops.reshape(ops.batch_norm(sample, zeros, variance, ones, zeros, eps), gamma.shape)
    slope = ops.mul(gamma, r)
    gvariance = ops.mul(ops.mul(slope, r), ggamma)
    gmean = ops.scale(ops.mul(slope, gbeta), -1.0)
    return {"x": gx, "mean": gmean, "variance": ops.scale(gvariance, -0.5), "gamma": ggamma, "beta": gbeta}


@kernel(
    shapes=signature("x B C S, mean C, variance C, gamma C, beta C", "x", ranges=EPS, cost="16 B C S"),
    gradient=_batch_norm_rule,
)
def batch_norm(x: Array, mean: Array, variance: Array, gamma: Array, beta: Array, eps: float) -> Array:
    """`(x − mean) / sqrt(variance + eps) · gamma + beta`, x (B, C, S), the others (C,) (Ioffe & Szegedy 2015)."""
    return _normalised(x, mean, variance, eps) * gamma[:, None] + beta[:, None]


@kernel(
    shapes=signature(
        "x B C S, mean C, variance C, gamma C, gy B C S",
        "x",
        "gamma",
        "gamma",
        ranges=EPS,
        cost="64 B C S",
    )
)
def batch_norm_grad(
    x: Array, mean: Array, variance: Array, gamma: Array, eps: float, gy: Array, own: bool
) -> tuple[Array, Array, Array]:
    """→ (gx, ggamma, gbeta); with `own`, mean and variance are those of x, and gx passes through them too.

    With n the normalised x, r = 1/sqrt(variance + eps) and means over batch and positions: ggamma = Σ gy·n;
    gbeta = Σ gy; gx = gamma r gy, with `own` gamma r (gy − mean(gy) − n mean(gy·n)).
    """
    n = _normalised(x, mean, variance, eps)
    ggamma, gbeta = (a.sum(axis=(0, 2), dtype=np.float64).astype(x.dtype) for a in (gy * n, gy))
    count = x.shape[0] * x.shape[2]
    inner = gy - (gbeta / count)[:, None] - n * (ggamma / count)[:, None] if own else gy
    return inner * (gamma / np.sqrt(variance + eps))[:, None], ggamma, gbeta


def _normalised(x: Array, mean: Array, variance: Array, eps: float) -> Array:
    return (x - mean[:, None]) / np.sqrt(variance + eps)[:, None]
