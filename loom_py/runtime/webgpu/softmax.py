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
    numbers = {"width": width, "temperature": d.arguments["temperature"]}
    e.run("softmax", "temper", e.size(x) // width, **numbers, x=x, out=d.outputs[0])


@encodes("softmax_grad")
def softmax_grad(e: Encoder, d: Dispatch) -> None:
    y = d.arguments["y"]
    width = e.shape(y)[-1]
    groups, numbers = e.size(y) // width, {"width": width, "temperature": 1.0}
    e.run("softmax", "backward", groups, **numbers, x=y, g=d.arguments["g"], out=d.outputs[0])
