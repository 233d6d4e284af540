"""Words of `simd/optimiser.c`: clipping and optimiser steps over lists of chunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..kernels.optimiser import MOST_SLOTS, UPDATES
from ..program import Dispatch
from .encode import Encoder, encodes, encodes_runs

CHUNK = 4096
"""Floats of a weight that one thread changes at a time."""
ALONE = 16384
"""Most floats that one thread processes faster than several."""
Tensors = Sequence[Any]


def _chunks(e: Encoder, tensors: Sequence[Tensors]) -> tuple[int, int, int]:
    """Chunks of tensors that belong together (weight, gradient, slots): address, number, chunks per piece."""
    table: list[list[int]] = []
    for together in tensors:
        addresses = [e.at(t) for t in together]
        size = e.size(together[0] if together[0] is not None else together[1])
        for start in range(0, size, CHUNK):
            w, g, *slots = (a and a + 4 * start for a in addresses)
            table.append([w, g, min(CHUNK, size - start), *slots, *[0] * (MOST_SLOTS - len(slots))])
    words = np.array(table, np.uint32).reshape(-1, 3 + MOST_SLOTS)
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


def step(e: Encoder, run: Sequence[Dispatch]) -> None:
    """The updates of several weights in one list; they share all their numbers."""
    kernel, arguments = run[0].kernel, run[0].arguments
    update = UPDATES[kernel]
    chunks = _chunks(e, [[d.arguments.get(name) for name in ("w", "g", *update.slots)] for d in run])
    e.emit(kernel, *chunks, *(e.slot(arguments[name]) for name in update.numbers))


for name in UPDATES:
    encodes_runs(name)(step)
