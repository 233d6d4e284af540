"""Normalisation of channels over a batch: x (B, C, S), S positions a channel. Sums are taken in float64."""

from __future__ import annotations

import numpy as np

from ..kernel import Array, kernel
from ..signature import signature
from .norm import EPS


@kernel(shapes=signature("x B C S", "C", "C", cost="16 B C S"))
def batch_statistics(x: Array) -> tuple[Array, Array]:
    """Mean and population variance of each channel: x (B, C, S) → (C,), (C,)."""
    mean = x.mean(axis=(0, 2), dtype=np.float64)
    variance = np.square(x - mean[:, None]).mean(axis=(0, 2))
    return mean.astype(x.dtype), variance.astype(x.dtype)


@kernel(shapes=signature("x B C S, mean C, variance C, gamma C, beta C", "x", ranges=EPS, cost="16 B C S"))
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
