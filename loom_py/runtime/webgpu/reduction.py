"""Dispatches of `wgsl/reduction.wgsl`."""

from __future__ import annotations

from math import prod
from typing import Any

from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("sum")
def sum_(e: Encoder, d: Dispatch) -> None:
    total(e, d.arguments["x"], d.arguments["axis"], d.outputs[0])


def total(e: Encoder, x: Any, axis: int, out: Any) -> None:
    """Sum over an axis."""
    shape = e.shape(x)
    axis %= len(shape)
    outer, inner = prod(shape[:axis]), prod(shape[axis + 1 :])
    numbers: dict[str, Any] = {"outer": outer, "length": shape[axis], "inner": inner}
    many = outer * inner >= 4096 or shape[axis] <= 32
    groups = e.elements(outer * inner, 64) if many else outer * inner
    e.run("reduction", "columns" if many else "rows", groups, **numbers, x=x, out=out)
