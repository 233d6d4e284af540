"""Dispatches of `wgsl/elementwise.wgsl`."""

from __future__ import annotations

from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("add", "mul")
def binary(e: Encoder, d: Dispatch) -> None:
    n = e.size(d.outputs[0])
    a, b = d.arguments["a"], d.arguments["b"]
    e.run("elementwise", d.kernel, e.elements(n), n=n, factor=0.0, a=a, b=b, out=d.outputs[0])


@encodes("scale")
def scale(e: Encoder, d: Dispatch) -> None:
    n = e.size(d.outputs[0])
    factor, x = d.arguments["factor"], d.arguments["x"]
    e.run("elementwise", "scale", e.elements(n), n=n, factor=factor, a=x, out=d.outputs[0])


@encodes("accumulate")
def accumulate(e: Encoder, d: Dispatch) -> None:
    total, n = d.arguments["total"], e.size(d.arguments["total"])
    e.run("elementwise", "accumulate", e.elements(n), n=n, factor=d.arguments["factor"], a=d.arguments["g"], out=total)
