"""Words of `simd/shape.c`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("reshape")
def reshape(e: Encoder, d: Dispatch) -> None:
    """Nothing: the result shares its source's bytes."""


def clear(e: Encoder, operand: Any) -> None:
    """Fill a tensor with zeros, in blocks that threads can share."""
    nbytes = 4 * e.size(operand)
    block = 1 << 16
    whole = nbytes // block
    if whole:
        e.emit("copy_blocks", e.at(operand), 0, block, 0, block, whole)
    if nbytes % block:
        e.emit("copy_blocks", e.at(operand) + whole * block, 0, 0, 0, nbytes % block, 1)


@encodes("zeros")
def zeros(e: Encoder, d: Dispatch) -> None:
    clear(e, d.outputs[0])


@encodes("assign")
def assign(e: Encoder, d: Dispatch) -> None:
    e.emit("copy", e.at(d.arguments["state"]), e.at(d.arguments["x"]), 4 * e.size(d.arguments["x"]))


def _blocks(e: Encoder, operand: Any, axis: int) -> tuple[int, int]:
    """(number of blocks before an axis, bytes of one step along it)."""
    shape = e.shape(operand)
    return int(np.prod(shape[:axis])), 4 * int(np.prod(shape[axis + 1 :]))


@encodes("concat")
def concat(e: Encoder, d: Dispatch) -> None:
    y = d.outputs[0]
    axis: int = d.arguments["axis"] % len(e.shape(y))
    count, unit = _blocks(e, y, axis)
    to, stride = e.at(y), unit * e.shape(y)[axis]
    for part in d.arguments["parts"]:
        nbytes = unit * e.shape(part)[axis]
        e.emit("copy_blocks", to, e.at(part), stride, nbytes, nbytes, count)
        to += nbytes


@encodes("narrow")
def narrow(e: Encoder, d: Dispatch) -> None:
    x = d.arguments["x"]
    axis: int = d.arguments["axis"] % len(e.shape(x))
    count, unit = _blocks(e, x, axis)
    start, nbytes = unit * d.arguments["start"], unit * d.arguments["length"]
    e.emit("copy_blocks", e.at(d.outputs[0]), e.at(x) + start, nbytes, unit * e.shape(x)[axis], nbytes, count)


@encodes("pad")
def pad(e: Encoder, d: Dispatch) -> None:
    x, y = d.arguments["x"], d.outputs[0]
    axis: int = d.arguments["axis"] % len(e.shape(x))
    count, unit = _blocks(e, x, axis)
    kept, stride = unit * e.shape(x)[axis], unit * e.shape(y)[axis]
    e.emit("copy_blocks", e.at(y), e.at(x), stride, kept, kept, count)
    if stride > kept:
        e.emit("copy_blocks", e.at(y) + kept, 0, stride, 0, stride - kept, count)
