"""Dispatches of `wgsl/activation.wgsl` and `activation_gate.wgsl`."""

from __future__ import annotations

from typing import Any

from ..enumeration import ENUMERATIONS
from ..program import Dispatch
from .encode import Encoder, encodes

KINDS = {name: i for i, name in enumerate(ENUMERATIONS["activation"])}


@encodes("activate", "activate_grad")
def activate(e: Encoder, d: Dispatch) -> None:
    n = e.size(d.outputs[0])
    kind = {"KIND": KINDS[d.arguments["name"]]}
    if d.kernel == "activate":
        e.run("activation", "forward", e.elements(n), kind, n=n, z=d.arguments["z"], out=d.outputs[0])
    else:
        operands = {"z": d.arguments["z"], "g": d.arguments["g"]}
        e.run("activation", "backward", e.elements(n), kind, n=n, **operands, out=d.outputs[0])


@encodes("silu_mul")
def silu_mul(e: Encoder, d: Dispatch) -> None:
    silu_product(e, d.arguments["gate"], d.arguments["up"], d.outputs[0])


def silu_product(e: Encoder, gate: Any, up: Any, out: Any) -> None:
    n = e.size(gate)
    e.run("activation_gate", "silu_mul", e.elements(n), n=n, gate=gate, up=up, out=out)


@encodes("silu_mul_grad")
def silu_mul_grad(e: Encoder, d: Dispatch) -> None:
    n = e.size(d.outputs[0])
    operands: dict[str, Any] = {name: d.arguments[name] for name in ("gate", "up", "g")}
    operands |= {"ggate": d.outputs[0], "gup": d.outputs[1]}
    e.run("activation_gate", "silu_mul_grad", e.elements(n), n=n, **operands)
