"""Dispatches of `wgsl/softmax.wgsl`."""

from __future__ import annotations

from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("softmax")
def softmax(e: Encoder, d: Dispatch) -> None:
    x = d.arguments["x"]
    width = e.shape(x)[-1]
    e.run("softmax", "forward", e.size(x) // width, width=width, temperature=1.0, x=x, out=d.outputs[0])


@encodes("temper")
def temper(e: Encoder, d: Dispatch) -> None:
    x = d.arguments["x"]
    width = e.shape(x)[-1]
    temperature = d.arguments["temperature"]
    e.run("softmax", "temper", e.size(x) // width, width=width, temperature=temperature, x=x, out=d.outputs[0])


@encodes("softmax_grad")
def softmax_grad(e: Encoder, d: Dispatch) -> None:
    y = d.arguments["y"]
    width = e.shape(y)[-1]
    groups, g = e.size(y) // width, d.arguments["g"]
    e.run("softmax", "backward", groups, width=width, temperature=1.0, x=y, g=g, out=d.outputs[0])
