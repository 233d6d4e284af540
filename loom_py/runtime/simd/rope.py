"""Words of `simd/rope.c`."""

from __future__ import annotations

import math

from ..program import Dispatch
from .encode import Encoder, encodes


def angles(e: Encoder, d: Dispatch, steps: int) -> int:
    """Address of cos and sin for rows from `position` on, computed once for all layers of a program."""
    frequencies, position = d.arguments["inverse_frequencies"], d.arguments["position"]
    key = ("angles", frequencies.index, str(position), steps)
    if key not in e.shared:
        half = e.size(frequencies)
        table = e.shared[key] = e.allocate(8 * steps * half)
        e.emit("rope_angles", table, e.constant(frequencies, "float64"), e.slot(position), steps, half)
    return e.shared[key]


@encodes("rope")
def rope(e: Encoder, d: Dispatch) -> None:
    x = d.arguments["x"]
    *batch, steps, heads, size = e.shape(x)
    sign = e.f32(-1.0 if d.arguments.get("inverse") else 1.0)
    table = angles(e, d, steps)
    e.emit("rope", e.at(d.outputs[0]), e.at(x), table, math.prod(batch) * steps, steps, heads, size // 2, sign)


@encodes("cache_write")
def cache_write(e: Encoder, d: Dispatch) -> None:
    cache, x = d.arguments["cache"], d.arguments["x"]
    row, capacity = math.prod(e.shape(x)[1:]), e.shape(cache)[0]
    e.emit("cache_write", e.at(cache), e.at(x), e.slot(d.arguments["position"]), e.shape(x)[0], row, capacity)


@encodes("rope_cache")
def rope_cache(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    steps, heads, size = e.shape(a["q"])
    operands = [e.at(a[name]) for name in ("q", "k", "v", "keys", "values")]
    table, row = angles(e, d, steps), e.slot(a.get("row", a["position"]))
    kv, capacity = e.shape(a["k"])[1], e.shape(a["keys"])[0]
    e.emit(
        "rope_cache", e.at(d.outputs[0]), *operands, table, row, steps, heads, kv, size // 2, capacity
    )  # fmt: skip
