"""Words of `simd/noise.c`."""

from __future__ import annotations

from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("gumbel")
def gumbel(e: Encoder, d: Dispatch) -> None:
    y = d.outputs[0]
    e.emit("gumbel", e.at(y), e.size(y), d.arguments["seed"] & 0xFFFFFFFF, e.slot(d.arguments["step"]))
