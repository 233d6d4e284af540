"""Normalisation over the last axis. Squares are summed in float64, where no float32 overflows."""

from __future__ import annotations

import numpy as np

from ...values import all_finite
from ..kernel import Array, Gradients, kernel
from ..ops import Ops, Tensor
from ..signature import signature

EPS = {"eps": {"minimum": 0}}


def _rms_norm_rule(ops: Ops, y: Tensor, gy: Tensor, /, x: Tensor, gamma: Tensor, eps: float) -> Gradients:
    gx, ggamma = ops.rms_norm_grad(x, gamma, eps, gy)
    return {"x": gx, "gamma": ggamma}


@kernel(shapes=signature("x * N, gamma N", "x", ranges=EPS, cost="16 * N"), gradient=_rms_norm_rule)
def rms_norm(x: Array, gamma: Array, eps: float) -> Array:
    """`x / sqrt(mean(x²) + eps) · gamma` over the last axis (Zhang & Sennrich 2019)."""
    return x * _inverse_root(x, eps) * gamma


@kernel(shapes=signature("x * N, gamma N, gy * N", "x", "gamma", ranges=EPS, cost="64 * N"))
def rms_norm_grad(x: Array, gamma: Array, eps: float, gy: Array) -> tuple[Array, Array]:
    """→ (gx, ggamma).

    With n = x·r, r = 1/rms: gx = r (gn − n mean(gn·n)), gn = gy·gamma; ggamma = Σ gy·n.
    """
    r = _inverse_root(x, eps)
    n = x * r
    gn = gy * gamma
    return r * (gn - n * np.mean(gn * n, axis=-1, keepdims=True)), _rows(gy * n)


def _layer_norm_rule(
    ops: Ops, y: Tensor, gy: Tensor, /, x: Tensor, gamma: Tensor, beta: Tensor, eps: float
) -> Gradients:
    gx, ggamma, gbeta = ops.layer_norm_grad(x, gamma, eps, gy)
    return {"x": gx, "gamma": ggamma, "beta": gbeta}


@kernel(shapes=signature("x * N, gamma N, beta N", "x", ranges=EPS, cost="16 * N"), gradient=_layer_norm_rule)
def layer_norm(x: Array, gamma: Array, beta: Array, eps: float) -> Array:
    """`(x − mean) / sqrt(var + eps) · gamma + beta` over the last axis, population variance (Ba et al. 2016)."""
    centred = x - _mean(x)
    return centred * _inverse_root(centred, eps) * gamma + beta


@kernel(shapes=signature("x * N, gamma N, gy * N", "x", "gamma", "gamma", ranges=EPS, cost="64 * N"))
def layer_norm_grad(x: Array, gamma: Array, eps: float, gy: Array) -> tuple[Array, Array, Array]:
    """→ (gx, ggamma, gbeta).

    With n the normalised x and r = 1/σ: gx = r (gn − mean(gn) − n mean(gn·n)); ggamma = Σ gy·n; gbeta = Σ gy.
    """
    centred = x - _mean(x)
    r = _inverse_root(centred, eps)
    n = centred * r
    gn = gy * gamma
    gx = r * (gn - gn.mean(axis=-1, keepdims=True) - n * np.mean(gn * n, axis=-1, keepdims=True))
    return gx, _rows(gy * n), _rows(gy)


def _mean(x: Array) -> Array:
    mean = x.mean(axis=-1, keepdims=True)
    return mean if all_finite(mean) else x.mean(axis=-1, keepdims=True, dtype=np.float64).astype(x.dtype)


def _inverse_root(x: Array, eps: float) -> Array:
    """1 / sqrt(mean(x²) + eps)."""
    square = np.einsum("...i,...i->...", x, x, dtype=np.float64)[..., None]
    return (1 / np.sqrt(square / x.shape[-1] + eps)).astype(x.dtype)


def _rows(a: Array) -> Array:
    return a.reshape(-1, a.shape[-1]).sum(axis=0)
