"""`wgsl/elementwise.wgsl`, `activation.wgsl`, `softmax.wgsl`."""

from __future__ import annotations

from typing import Any

from ...kernels.activation import FORMULAS
from ...program import Dispatch
from ..encode import Encoder, encodes

KINDS = {name: i for i, name in enumerate(FORMULAS)}


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


@encodes("silu_mul")
def silu_mul(e: Encoder, d: Dispatch) -> None:
    silu_product(e, d.arguments["gate"], d.arguments["up"], d.outputs[0])


def silu_product(e: Encoder, gate: Any, up: Any, out: Any) -> None:
    n = e.size(gate)
    e.run("elementwise", "silu_mul", e.elements(n), n=n, factor=0.0, a=gate, b=up, out=out)


@encodes("silu_mul_grad")
def silu_mul_grad(e: Encoder, d: Dispatch) -> None:
    n = e.size(d.outputs[0])
    operands = {"a": d.arguments["gate"], "b": d.arguments["up"], "c": d.arguments["g"]}
    operands |= {"out": d.outputs[0], "out2": d.outputs[1]}
    e.run("elementwise", "silu_mul_grad", e.elements(n), n=n, factor=0.0, **operands)


@encodes("activate", "activate_grad")
def activate(e: Encoder, d: Dispatch) -> None:
    n = e.size(d.outputs[0])
    kind = {"KIND": KINDS[d.arguments["name"]]}
    if d.kernel == "activate":
        e.run("activation", "forward", e.elements(n), kind, n=n, z=d.arguments["z"], out=d.outputs[0])
    else:
        operands = {"z": d.arguments["z"], "g": d.arguments["g"]}
        e.run("activation", "backward", e.elements(n), kind, n=n, **operands, out=d.outputs[0])


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
