"""Words of `simd/loss.c`."""

from __future__ import annotations

from ..program import Dispatch
from .encode import Encoder, encodes

CHUNK = 4096
"""Floats of a weight that one thread changes at a time."""


@encodes("loss")
def loss(e: Encoder, d: Dispatch) -> None:
    """Sum runs of rows, then their sums, unless a single piece covers all rows."""
    y, target = d.arguments["y"], d.arguments["target"]
    width = e.shape(y)[-1]
    rows = e.size(y) // width
    each = max(1, CHUNK // width)
    pieces = -(-rows // each)
    sums = e.scratch(8 * pieces)
    out, share, delta = e.at(d.outputs[0]), e.slot(1 / e.size(y)), e.f32(d.arguments.get("delta", 1.0))
    which = e.member("loss", d.arguments["name"])
    e.emit("loss", out, sums, e.at(y), e.at(target), rows, width, which, delta, each, share)
    if pieces > 1:
        e.emit("loss_total", out, sums, pieces, share)


@encodes("loss_grad")
def loss_grad(e: Encoder, d: Dispatch) -> None:
    y, target = d.arguments["y"], d.arguments["target"]
    width = e.shape(y)[-1]
    which, delta = e.member("loss", d.arguments["name"]), e.f32(d.arguments.get("delta", 1.0))
    rows = e.size(y) // width
    share = e.f32(1 / e.size(y))
    e.emit("loss_grad", e.at(d.outputs[0]), e.at(y), e.at(target), rows, width, which, delta, share)
