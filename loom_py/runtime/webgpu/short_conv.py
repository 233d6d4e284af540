"""Dispatches of `wgsl/short_conv.wgsl`."""

from __future__ import annotations

from typing import Any

from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("short_conv")
def short_conv(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    (steps, channels), taps = e.shape(a["x"]), e.shape(a["weight"])[2]
    bias = a.get("bias")
    numbers = {"steps": steps, "channels": channels, "taps": taps, "has_bias": bias is not None}
    operands: dict[str, Any] = {"x": a["x"], "weight": a["weight"], "bias": a["x"] if bias is None else bias}
    e.run("short_conv", "convolve", e.elements(channels, 64), **numbers, **operands, state=a["state"], out=d.outputs[0])
