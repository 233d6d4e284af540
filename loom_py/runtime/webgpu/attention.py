"""Dispatches of `wgsl/attention.wgsl`."""

from __future__ import annotations

from typing import Any

from ...errors import DeviceError
from ..program import Dispatch
from .encode import Encoder, encodes

LARGEST_HEAD = 256
WANTED_GROUPS = 128
"""Fewer workgroups than this, and a cache is processed in pieces."""
PIECE = 64
"""Fewest positions of a piece."""


@encodes("attention")
def attention(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    steps, heads, size = e.shape(a["q"])
    capacity, kv, _ = e.shape(a["keys"])
    _require_narrow(size)
    parts = max(1, min(WANTED_GROUPS // (steps * heads), capacity // PIECE))
    numbers: dict[str, Any] = {
        "heads": heads, "kv": kv, "size": size, "position": e.slot(a["position"]), "parts": parts, "scale": size**-0.5,
        "window": a.get("window", 0), "cap": a.get("cap", 0.0),
    }  # fmt: skip
    operands = {"q": a["q"], "keys": a["keys"], "values": a["values"]}
    if parts == 1:
        e.run("attention", "whole", (heads, steps), **numbers, **operands, out=d.outputs[0])
        return
    pieces = e.scratch(4 * steps * heads * parts * (size + 2))
    e.run("attention", "part", (heads, steps, parts), **numbers, **operands, out=pieces)
    e.run("attention", "join", (heads, steps), **numbers, q=pieces, out=d.outputs[0])


@encodes("span_attention")
def span_attention(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    steps, heads, size = e.shape(a["q"])
    _require_narrow(size)
    numbers = {"heads": heads, "kv": e.shape(a["keys"])[1], "size": size, "scale": size**-0.5}
    numbers |= {"position": 0, "parts": 1, "window": 0, "cap": 0.0}
    operands = {name: a[name] for name in ("q", "keys", "values", "spans")}
    e.run("attention", "spanned", (heads, steps), **numbers, **operands, out=d.outputs[0])


def _require_narrow(size: int) -> None:
    if size > LARGEST_HEAD:
        raise DeviceError(f"heads of {size} elements are too wide", where="webgpu", remedy="Run it on another device.")
