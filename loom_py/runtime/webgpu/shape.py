"""Dispatches of `wgsl/shape.wgsl`, which move elements."""

from __future__ import annotations

from math import prod
from typing import Any

from ..program import Dispatch
from .encode import Encoder, encodes


def copy(e: Encoder, x: Any, out: Any, outer: int, run: int, source: tuple[int, int], target: tuple[int, int]) -> None:
    """`outer` runs of `run` elements; `source` and `target` are (stride, start)."""
    numbers: dict[str, Any] = {
        "outer": outer, "run": run, "value": 0.0,
        "from_stride": source[0], "start": source[1], "to_stride": target[0], "to": target[1],
    }  # fmt: skip
    e.run("shape", "strided", e.elements(outer * run), **numbers, x=x, out=out)


def fill(e: Encoder, out: Any, value: float, n: int) -> None:
    strides: dict[str, Any] = {"from_stride": 0, "start": 0, "to_stride": 0, "to": 0}
    e.run("shape", "fill", e.elements(n), outer=1, run=n, value=value, **strides, out=out)


@encodes("reshape")
def reshape(e: Encoder, d: Dispatch) -> None:
    """Nothing: the result shares its source's buffer."""


@encodes("zeros")
def zeros(e: Encoder, d: Dispatch) -> None:
    fill(e, d.outputs[0], 0.0, e.size(d.outputs[0]))


@encodes("assign")
def assign(e: Encoder, d: Dispatch) -> None:
    n = e.size(d.arguments["state"])
    copy(e, d.arguments["x"], d.arguments["state"], 1, n, (0, 0), (0, 0))


@encodes("narrow")
def narrow(e: Encoder, d: Dispatch) -> None:
    x, shape = d.arguments["x"], e.shape(d.arguments["x"])
    axis: int = d.arguments["axis"] % len(shape)
    inner = prod(shape[axis + 1 :])
    run = d.arguments["length"] * inner
    source = (shape[axis] * inner, d.arguments["start"] * inner)
    copy(e, x, d.outputs[0], prod(shape[:axis]), run, source, (run, 0))


@encodes("concat")
def concat(e: Encoder, d: Dispatch) -> None:
    whole = e.shape(d.outputs[0])
    axis: int = d.arguments["axis"] % len(whole)
    inner = prod(whole[axis + 1 :])
    at = 0
    for part in d.arguments["parts"]:
        run = e.shape(part)[axis] * inner
        copy(e, part, d.outputs[0], prod(whole[:axis]), run, (run, 0), (whole[axis] * inner, at))
        at += run


@encodes("pad")
def pad(e: Encoder, d: Dispatch) -> None:
    x, shape = d.arguments["x"], e.shape(d.arguments["x"])
    axis: int = d.arguments["axis"] % len(shape)
    inner = prod(shape[axis + 1 :])
    run = shape[axis] * inner
    fill(e, d.outputs[0], 0.0, e.size(d.outputs[0]))
    copy(e, x, d.outputs[0], prod(shape[:axis]), run, (run, 0), (d.arguments["length"] * inner, 0))
