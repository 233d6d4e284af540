"""Words of `simd/batch_norm.c`."""

from __future__ import annotations

from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("batch_statistics")
def batch_statistics(e: Encoder, d: Dispatch) -> None:
    x = d.arguments["x"]
    e.emit("batch_statistics", e.at(d.outputs[0]), e.at(d.outputs[1]), e.at(x), *e.shape(x))


@encodes("batch_norm")
def batch_norm(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    operands = (e.at(a[name]) for name in ("x", "mean", "variance", "gamma", "beta"))
    e.emit("batch_norm", e.at(d.outputs[0]), *operands, *e.shape(a["x"]), e.f32(a["eps"]))


@encodes("batch_norm_grad")
def batch_norm_grad(e: Encoder, d: Dispatch) -> None:
    """First the sums over each channel, which are the gradients of gamma and beta, then gx from them."""
    a = d.arguments
    gx, ggamma, gbeta = (e.at(output) for output in d.outputs)
    x, mean, variance, gamma, gy = (e.at(a[name]) for name in ("x", "mean", "variance", "gamma", "gy"))
    shape, eps = e.shape(a["x"]), e.f32(a["eps"])
    e.emit("batch_norm_sums", ggamma, gbeta, x, mean, variance, gy, *shape, eps)
    if e.wanted(d.outputs[0]):
        e.emit("batch_norm_grad", gx, ggamma, gbeta, x, mean, variance, gamma, gy, *shape, eps, a["own"])
