"""Words of `simd/activation.c`."""

from __future__ import annotations

from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("activate")
def activate(e: Encoder, d: Dispatch) -> None:
    y = d.outputs[0]
    e.emit("activate", e.at(y), e.at(d.arguments["z"]), e.size(y), e.member("activation", d.arguments["name"]))


@encodes("activate_grad")
def activate_grad(e: Encoder, d: Dispatch) -> None:
    gz, z, g = d.outputs[0], d.arguments["z"], d.arguments["g"]
    e.emit("activate_grad", e.at(gz), e.at(z), e.at(g), e.size(gz), e.member("activation", d.arguments["name"]))


@encodes("silu_mul")
def silu_mul(e: Encoder, d: Dispatch) -> None:
    gate, up = d.arguments["gate"], d.arguments["up"]
    e.emit("silu_mul", e.at(d.outputs[0]), e.at(gate), e.at(up), e.size(gate))


@encodes("silu_mul_grad")
def silu_mul_grad(e: Encoder, d: Dispatch) -> None:
    operands = (e.at(d.arguments[name]) for name in ("gate", "up", "g"))
    e.emit("silu_mul_grad", *map(e.at, d.outputs), *operands, e.size(d.outputs[0]))
