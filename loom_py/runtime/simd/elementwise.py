"""Words of `simd/elementwise.c`."""

from __future__ import annotations

from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("add", "mul")
def binary(e: Encoder, d: Dispatch) -> None:
    e.emit(d.kernel, e.at(d.outputs[0]), e.at(d.arguments["a"]), e.at(d.arguments["b"]), e.size(d.outputs[0]))


@encodes("scale")
def scale(e: Encoder, d: Dispatch) -> None:
    y = d.outputs[0]
    e.emit("scale", e.at(y), e.at(d.arguments["x"]), e.size(y), e.f32(d.arguments["factor"]))


@encodes("accumulate")
def accumulate(e: Encoder, d: Dispatch) -> None:
    total = d.arguments["total"]
    e.emit("accumulate", e.at(total), e.at(d.arguments["g"]), e.size(total), e.f32(d.arguments["factor"]))
