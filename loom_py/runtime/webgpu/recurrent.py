"""Dispatches of `wgsl/recurrent_*.wgsl`: a sequence in one where its state fits into a workgroup, else one a step."""

from __future__ import annotations

from typing import Any

from ..program import Dispatch
from .encode import MAX_GROUPS, Encoder, encodes
from .matmul import gathered, split
from .reduction import total

POOL = 1024
"""Vectors of four floats in a workgroup's memory, 16 KiB."""
MOST_UNITS = 256
"""Hidden width of the sequences that a workgroup takes through all steps, a unit an invocation."""
FEW_UNITS = 64
"""For widths up to this a workgroup has no more invocations: those without a unit would only wait for the others."""
SAMPLES, UNITS = 4, 32
"""What a workgroup takes of a single step."""


def _steps(
    e: Encoder, shader: str, weights: Any, shape: tuple[int, ...], state: int, *, forward: bool, **operands: Any
) -> None:
    """All steps of (B, T, H), `state` elements a unit. Products are with `weights` transposed where `forward`."""
    batch, steps, size = shape
    rows, cols = e.shape(weights)
    kept = state * size + -(-rows * cols // 4) <= POOL
    strides = {"row": 1, "column": cols} if forward else {"row": cols, "column": 1}
    if forward and not kept:
        whole = e.temporary((cols, rows))
        e.run(
            "recurrent_transpose",
            "transposed",
            (-(-cols // 16), -(-rows // 16)),
            rows=rows,
            cols=cols,
            x=weights,
            out=whole,
        )
        weights, strides = whole, {"row": rows, "column": 1}
    count = steps if forward else steps + 1
    numbers = {"batch": batch, "steps": steps, "size": size, "count": count, **strides}
    samples = min(-(-batch // SAMPLES), MAX_GROUPS)
    if size <= MOST_UNITS:
        constants = {"KEPT": int(kept), "LANES": FEW_UNITS if size <= FEW_UNITS else MOST_UNITS}
        e.run(shader, "sequence", samples, constants, at=0, **numbers, weights=weights, **operands)
        return
    for at in range(count):
        e.run(shader, "single", (-(-size // UNITS), samples), at=at, **numbers, weights=weights, **operands)


def _weights_grad(e: Encoder, d: Dispatch) -> None:
    """gW_hh = Σ over samples and steps of gz_t h_{t−1}ᵀ, in runs that are added up in order."""
    a, (gz, gw) = d.arguments, d.outputs[:2]
    (batch, steps, size), rows = e.shape(a["h"]), e.shape(gw)[0]
    constants, (across, down) = gathered(rows, size)
    splits, run = split(across * down, batch * steps)
    numbers = {"batch": batch, "steps": steps, "size": size, "rows": rows, "run": run}
    parts = gw if splits == 1 else e.temporary((splits, rows, size))
    operands = {"gz": gz, "h": a["h"], "h0": a["h0"], "parts": parts}
    e.run("recurrent_weights", "partial", (across, down, splits), constants, **numbers, **operands)
    if splits > 1:
        total(e, parts, 0, gw)


@encodes("rnn_sequence")
def rnn_sequence(e: Encoder, d: Dispatch) -> None:
    a, (h,) = d.arguments, d.outputs
    _steps(e, "recurrent_rnn", a["w_hh"], e.shape(h), 1, forward=True, zx=a["zx"], h0=a["h0"], h=h)


@encodes("rnn_sequence_grad")
def rnn_sequence_grad(e: Encoder, d: Dispatch) -> None:
    a, (gz, _, gh0) = d.arguments, d.outputs
    operands = {"h": a["h"], "gh": a["gh"], "gz": gz, "gh0": gh0}
    _steps(e, "recurrent_rnn_grad", a["w_hh"], e.shape(a["h"]), 1, forward=False, **operands)
    _weights_grad(e, d)


@encodes("lstm_sequence")
def lstm_sequence(e: Encoder, d: Dispatch) -> None:
    a, (h, c, gates) = d.arguments, d.outputs
    operands = {"zx": a["zx"], "h0": a["h0"], "c0": a["c0"], "h": h, "c": c, "gates": gates}
    _steps(e, "recurrent_lstm", a["w_hh"], e.shape(h), 1, forward=True, **operands)


@encodes("lstm_sequence_grad")
def lstm_sequence_grad(e: Encoder, d: Dispatch) -> None:
    a, (gz, _, gh0, gc0) = d.arguments, d.outputs
    operands = {name: a[name] for name in ("c", "c0", "gates", "gh")} | {"gz": gz, "gh0": gh0, "gc0": gc0}
    _steps(e, "recurrent_lstm_grad", a["w_hh"], e.shape(a["h"]), 4, forward=False, **operands)
    _weights_grad(e, d)
