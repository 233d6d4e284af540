"""Words of `simd/noise.c`."""

from __future__ import annotations

from ..kernels.noise import dropped_below
from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("gumbel")
def gumbel(e: Encoder, d: Dispatch) -> None:
    y = d.outputs[0]
    e.emit("gumbel", e.at(y), e.size(y), d.arguments["seed"] & 0xFFFFFFFF, e.slot(d.arguments["step"]))


@encodes("dropout")
def dropout(e: Encoder, d: Dispatch) -> None:
    a, y = d.arguments, d.outputs[0]
    rate, seed = a["rate"], a["seed"] & 0xFFFFFFFF
    factor = e.f32(1 / (1 - rate))
    e.emit("dropout", e.at(y), e.at(a["x"]), e.size(y), seed, dropped_below(rate), factor, e.slot(a["step"]))
