"""Words of `simd/norm.c`."""

from __future__ import annotations

from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("rms_norm")
def rms_norm(e: Encoder, d: Dispatch) -> None:
    x = d.arguments["x"]
    n = e.shape(x)[-1]
    rows = e.size(x) // n if n else 0
    e.emit("rms_norm", e.at(d.outputs[0]), e.at(x), e.at(d.arguments["gamma"]), e.f32(d.arguments["eps"]), rows, n)


@encodes("layer_norm")
def layer_norm(e: Encoder, d: Dispatch) -> None:
    x = d.arguments["x"]
    width = e.shape(x)[-1]
    operands = (e.at(d.arguments[name]) for name in ("x", "gamma", "beta"))
    e.emit("layer_norm", e.at(d.outputs[0]), *operands, e.size(x) // width, width, e.slot(d.arguments["eps"]))


@encodes("rms_norm_grad", "layer_norm_grad")
def norm_grad(e: Encoder, d: Dispatch) -> None:
    """First gx row by row, keeping each row's mean and scale, then the weights' gradients column by column."""
    x, gamma, gy = (e.at(d.arguments[name]) for name in ("x", "gamma", "gy"))
    width = e.shape(d.arguments["x"])[-1]
    rows = e.size(d.arguments["x"]) // width
    centred = d.kernel == "layer_norm_grad"
    spreads = e.scratch(8 * rows)
    eps = e.slot(d.arguments["eps"])
    e.emit("norm_grad", e.at(d.outputs[0]), spreads, x, gamma, gy, rows, width, eps, centred)
    gbeta = e.at(d.outputs[2]) if centred else 0
    e.emit("norm_weights_grad", e.at(d.outputs[1]), gbeta, spreads, x, gy, rows, width)
