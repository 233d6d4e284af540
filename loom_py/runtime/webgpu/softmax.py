"""Dispatches of `wgsl/softmax.wgsl`."""

from __future__ import annotations

from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("softmax")
def softmax(e: Encoder, d: Dispatch) -> None:
    x = d.arguments["x"]
    width = e.shape(x)[-1]
    e.run("softmax", "forward", e.size(x) // width, width=width, x=x, out=d.outputs[0])


@encodes("softmax_grad")
def softmax_grad(e: Encoder, d: Dispatch) -> None:
    y = d.arguments["y"]
    width = e.shape(y)[-1]
    e.run("softmax", "backward", e.size(y) // width, width=width, x=y, g=d.arguments["g"], out=d.outputs[0])
