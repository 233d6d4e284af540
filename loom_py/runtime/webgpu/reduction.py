"""Dispatches of `wgsl/reduction.wgsl`."""

from __future__ import annotations

from math import prod
from typing import Any

from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("sum")
def sum_(e: Encoder, d: Dispatch) -> None:
    x, shape = d.arguments["x"], e.shape(d.arguments["x"])
    axis: int = d.arguments["axis"] % len(shape)
    outer, inner = prod(shape[:axis]), prod(shape[axis + 1 :])
    numbers: dict[str, Any] = {"outer": outer, "length": shape[axis], "inner": inner}
    many = outer * inner >= 4096 or shape[axis] <= 32
    groups = e.elements(outer * inner, 64) if many else outer * inner
    e.run("reduction", "columns" if many else "rows", groups, **numbers, x=x, out=d.outputs[0])
