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


@encodes("token_loss")
def token_loss(e: Encoder, d: Dispatch) -> None:
    """Sum runs of rows, then their sums."""
    logits, targets = d.arguments["logits"], d.arguments["targets"]
    rows, width = e.shape(logits)
    each = max(1, CHUNK // width)
    sums = e.scratch(8 * -(-rows // each))
    smoothing = e.f32(d.arguments.get("smoothing", 0.0))
    e.emit("token_loss", sums, e.at(logits), e.at(targets), rows, width, each, smoothing)
    e.emit("token_loss_total", e.at(d.outputs[0]), sums, e.at(targets), rows, width, each)


@encodes("token_loss_grad")
def token_loss_grad(e: Encoder, d: Dispatch) -> None:
    logits, targets, g = (e.at(d.arguments[name]) for name in ("logits", "targets", "g"))
    rows, width = e.shape(d.arguments["logits"])
    smoothing = e.f32(d.arguments.get("smoothing", 0.0))
    e.emit("token_loss_grad", e.at(d.outputs[0]), logits, targets, g, rows, width, max(1, CHUNK // width), smoothing)
