"""A decoder as programs: a chunk of T tokens (prefill) or one (T = 1), and what is wanted of the last."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ..runtime.abstract import Abstract
from ..runtime.program import Program
from ..runtime.trace import TracingOps
from .protocols import CacheLayout, Chunk, Decoder, Kept, Segment
from .windows import STEP, row_name, window_rows, windowed

Want = Literal["nothing", "logits", "every", "hidden", "next"]
"""Of a chunk: nothing but what the layers keep of it, the last logits, all of them, what the head gets, a token."""
SAMPLING = {
    "temperature": 0.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0, "seed": 0, "step": 0,
}  # fmt: skip
"""Dynamic numbers of the kernel `sample`."""
IDS = np.dtype(np.int64)


def trace_decoder(decoder: Decoder, steps: int, capacity: int, want: Want, *, fed: bool = False) -> Program:
    """The program of one chunk of a sequence.

    - `steps`: its tokens, the input `ids` (T,) int64. A model with a table of positions has `positions` (T,) too.
    - `capacity`: positions that the caches have room for.
    - `want`: `logits` is output for "logits" (V,) and "every" (T, V), `hidden` (T, H) for "hidden"; "next" outputs
      `next` (1,), drawn by `sample` with its dynamic numbers, and keeps it in the state `token` (1,).
    - `fed`: the input is the state `token` instead of `ids`, and it is marked as seen.

    Further state: the weights by their names, `<name>.<layer>` of what the layers keep, and `seen` (V,) uint8, which
    flags the tokens that the repetition penalty is for. Dynamic: `position`, where the first of the tokens goes, and
    `row.<window>`, where it goes in layers that keep a window.
    """
    ops: Any = TracingOps(f"decoder, {steps} tokens, {want}")
    token: Any = ops.tensor(Abstract((1,), IDS), "state", "token") if want == "next" or fed else None
    ids: Any = token if fed else ops.tensor(Abstract((steps,), IDS), "input", "ids")
    weights = {w.name: ops.tensor(Abstract(w.shape), "state", w.name) for w in decoder.weights()}
    kept_by_layer = decoder.new_cache()
    cache = [
        {
            name: ops.tensor(Abstract(kept_shape(kept, capacity), np.dtype(kept.dtype)), "state", f"{name}.{i}")
            for name, kept in layer.items()
        }
        for i, layer in enumerate(kept_by_layer)
    ]
    windows = windowed(kept_by_layer)
    rows = {window: ops.dynamic(row_name(window), 0) for window in sorted(set(windows.values()))}
    places = {layer: rows[window] for layer, window in windows.items()}
    segment = Segment(steps, ops.dynamic("position", 0), cache, places)
    positions: list[Any] = []

    def input_positions() -> Any:
        if not positions:
            positions.append(ops.tensor(Abstract((steps,), IDS), "input", "positions"))
        return positions[0]

    hidden = decoder.trace(ops, weights, Chunk(ids, (segment,), want in ("every", "hidden"), input_positions))
    if want == "nothing":
        return ops.program
    if want == "hidden":
        ops.output("hidden", hidden)
        return ops.program
    logits = decoder.logits(ops, weights, hidden)
    vocab_size = decoder.facts.vocab_size
    if want == "every":
        ops.output("logits", logits)
        return ops.program
    logits = ops.reshape(logits, (vocab_size,))
    if want == "logits":
        ops.output("logits", logits)
        return ops.program
    seen: Any = ops.tensor(Abstract((vocab_size,), np.dtype(np.uint8)), "state", "seen")
    if fed:
        ops.mark(seen, ids)
    numbers = {name: ops.dynamic(name, value) for name, value in SAMPLING.items()}
    following = ops.sample(logits, seen, **numbers)
    ops.assign(token, following)
    ops.output("next", following)
    return ops.program


def trace_loss(decoder: Decoder, steps: int, *, smoothing: float = 0.0) -> Program:
    """The program of the loss of one whole sequence, for `differentiate`.

    Inputs: `ids` (T,) int64, `targets` (T,) int64, what should follow each token, or no id such as −100 where it does
    not matter, and for a model with a table of positions `positions` (T,). State: the weights by their names. Output:
    `loss`, a scalar, as `Ops.token_loss` has it. What the layers keep is a temporary of the sequence's length.
    """
    ops: Any = TracingOps(f"loss of {steps} tokens")
    ids, targets = (ops.tensor(Abstract((steps,), IDS), "input", name) for name in ("ids", "targets"))
    weights = {w.name: ops.tensor(Abstract(w.shape), "state", w.name) for w in decoder.weights()}

    def empty(kept: Kept) -> Any:
        rows = steps if kept.rows is None else kept.rows
        return ops.zeros((rows, *kept.shape), like=np.zeros(1, kept.dtype))

    cache = [{name: empty(kept) for name, kept in layer.items()} for layer in decoder.new_cache()]

    def positions() -> Any:
        return ops.tensor(Abstract((steps,), IDS), "input", "positions")

    chunk = Chunk(ids, (Segment(steps, 0, cache),), True, positions)
    logits = decoder.logits(ops, weights, decoder.trace(ops, weights, chunk))
    ops.output("loss", ops.token_loss(logits, targets, smoothing))
    return ops.program


def kept_shape(kept: Kept, capacity: int) -> tuple[int, ...]:
    """The shape of what a layer keeps in a cache with room for `capacity` positions."""
    rows = capacity if kept.rows is None else kept.rows
    return (min(rows, window_rows(kept.window)) if kept.window else rows, *kept.shape)


def trace_moving(decoder: Decoder, capacity: int, window: int) -> Program:
    """The program that moves the rows of all layers with a window up by `STEP`."""
    ops: Any = TracingOps(f"decoder, window of {window} moves")
    for name, kept in kept_tensors(decoder.new_cache()).items():
        if kept.window == window:
            shape = kept_shape(kept, capacity)
            rows = ops.tensor(Abstract(shape, np.dtype(kept.dtype)), "state", name)
            ops.cache_write(rows, ops.narrow(rows, 0, STEP, shape[0] - STEP), 0)
    return ops.program


def kept_tensors(layout: CacheLayout) -> dict[str, Kept]:
    """Everything that the layers keep, by the names that programs use: `keys.0`, `values.0`, …"""
    return {f"{name}.{i}": kept for i, layer in enumerate(layout) for name, kept in layer.items()}
