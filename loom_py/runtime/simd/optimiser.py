"""Words of `simd/optimiser.c`: clipping and optimiser steps over lists of chunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..program import Dispatch
from .encode import Encoder, encodes, encodes_runs

CHUNK = 4096
"""Floats of a weight that one thread changes at a time."""
ALONE = 16384
"""Floats that one thread does faster than several."""
Tensors = Sequence[Any]


def _chunks(e: Encoder, tensors: Sequence[Tensors]) -> tuple[int, int, int]:
    """Words for tensors that belong together (weight, gradient, slots): their chunks, how many, how many a piece."""
    table = []
    for together in tensors:
        addresses = [e.at(t) for t in together]
        size = e.size(together[0] if together[0] is not None else together[1])
        for start in range(0, size, CHUNK):
            w, g, *slots = (a and a + 4 * start for a in addresses)
            table.append([w, g, min(CHUNK, size - start), *slots, *[0] * (2 - len(slots))])
    words = np.array(table, np.uint32).reshape(-1, 5)
    alone = int(words[:, 2].sum()) <= ALONE
    return e.table(words), len(words), len(words) if alone else 1


@encodes("clip_by_norm")
def clip_by_norm(e: Encoder, d: Dispatch) -> None:
    chunks, count, each = _chunks(e, [(None, g) for g in d.arguments["grads"]])
    squares = 0
    if each < count:
        squares = e.scratch(8 * count)
        e.emit("norm_squares", chunks, count, each, squares)
    e.emit("clip_by_norm", chunks, count, each, squares, e.at(d.outputs[0]), e.slot(d.arguments["max_norm"]))


@encodes("clip_by_value")
def clip_by_value(e: Encoder, d: Dispatch) -> None:
    chunks = _chunks(e, [(None, g) for g in d.arguments["grads"]])
    e.emit("clip_by_value", *chunks, e.slot(d.arguments["limit"]))


def _together(e: Encoder, run: Sequence[Dispatch], *names: str) -> tuple[int, int, int]:
    """The tensors of several steps in one list; the numbers of a run are all the same."""
    return _chunks(e, [[d.arguments.get(name) for name in names] for d in run])


@encodes_runs("sgd_step")
def sgd_step(e: Encoder, run: Sequence[Dispatch]) -> None:
    e.emit("sgd_step", *_together(e, run, "w", "g"), e.slot(run[0].arguments["learning_rate"]))


@encodes_runs("sgd_momentum_step")
def sgd_momentum_step(e: Encoder, run: Sequence[Dispatch]) -> None:
    a = run[0].arguments
    numbers = (a["learning_rate"], a["momentum"], 1 - a["dampening"])
    chunks = _together(e, run, "w", "g", "velocity")
    e.emit("sgd_momentum_step", *chunks, *map(e.slot, numbers), a["nesterov"])


@encodes_runs("adamw_step")
def adamw_step(e: Encoder, run: Sequence[Dispatch]) -> None:
    a = run[0].arguments
    b1, b2 = a["beta1"], a["beta2"]
    numbers = (a["learning_rate"], a["step"], b1, b2, 1 - b1, 1 - b2, a["epsilon"], a["weight_decay"])
    e.emit("adamw_step", *_together(e, run, "w", "g", "m", "v"), *map(e.slot, numbers))


@encodes_runs("rmsprop_step")
def rmsprop_step(e: Encoder, run: Sequence[Dispatch]) -> None:
    a = run[0].arguments
    numbers = (a["learning_rate"], a["alpha"], 1 - a["alpha"], a["epsilon"], a["momentum"])
    e.emit("rmsprop_step", *_together(e, run, "w", "g", "v", "buffer"), *map(e.slot, numbers))
