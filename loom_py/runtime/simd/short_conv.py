"""Words of `simd/short_conv.c`."""

from __future__ import annotations

from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("short_conv")
def short_conv(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    (steps, channels), taps = e.shape(a["x"]), e.shape(a["weight"])[2]
    operands = [e.at(a.get(name)) for name in ("x", "weight", "state", "bias")]
    e.emit("short_conv", e.at(d.outputs[0]), *operands, steps, channels, taps)
