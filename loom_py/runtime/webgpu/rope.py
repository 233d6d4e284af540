"""Dispatches of `wgsl/rope.wgsl` and `rope_write.wgsl`."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..program import Dispatch, Ref
from .encode import Encoder, encodes
from .plan import Slice


def angles(e: Encoder, frequencies: Ref, position: Any, steps: int, inverse: bool) -> Slice:
    """cos and sin for `steps` rows from `position` on, computed in float64 in Python, since shaders have no float64."""
    values = np.asarray(e.value(frequencies), np.float64)

    def turn(positions: Any) -> Any:
        phase = (positions[:, None] + np.arange(steps))[:, :, None] * values
        table = np.concatenate([np.cos(phase), np.sin(-phase if inverse else phase)], axis=2)
        return table.astype(np.float32).reshape(len(positions), -1)

    key = f"angles of {values.tobytes().hex()} for {steps}{' back' if inverse else ''}"
    return e.vector(position, key, 2 * steps * len(values), turn)


def rotation(e: Encoder, x: Ref, position: int = 0, capacity: int = 0) -> dict[str, Any]:
    """The numbers of `rope.wgsl` for x (…, T, heads, D)."""
    *_, steps, heads, size = e.shape(x)
    n = e.size(x) // 2
    return {
        "n": n, "steps": steps, "heads": heads, "half": size // 2, "capacity": capacity,
        "position": position,
    }  # fmt: skip


@encodes("rope")
def rope(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    steps = e.shape(a["x"])[-3]
    table = angles(e, a["inverse_frequencies"], a["position"], steps, bool(a.get("inverse")))
    numbers = rotation(e, a["x"])
    e.run("rope", "rotate", e.elements(numbers["n"], 64), **numbers, x=a["x"], angles=table, out=d.outputs[0])


@encodes("cache_write")
def cache_write(e: Encoder, d: Dispatch) -> None:
    cache, x = d.arguments["cache"], d.arguments["x"]
    numbers: dict[str, Any] = {"n": e.size(x), "row": prod(e.shape(x)[1:]), "capacity": e.size(cache)}
    numbers["position"] = e.slot(d.arguments["position"])
    e.run("rope_write", "write", e.elements(e.size(x), 64), **numbers, x=x, out=cache)


@encodes("rope_cache")
def rope_cache(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    steps = e.shape(a["q"])[0]
    table = angles(e, a["inverse_frequencies"], a["position"], steps, False)
    turned = rotation(e, a["q"])
    e.run("rope", "rotate", e.elements(turned["n"], 64), **turned, x=a["q"], angles=table, out=d.outputs[0])
    kept = rotation(e, a["k"], e.slot(a.get("row", a["position"])), e.size(a["keys"]))
    operands: dict[str, Any] = {"x": a["k"], "v": a["v"], "angles": table, "out": a["keys"], "values": a["values"]}
    e.run("rope", "rotate_write", e.elements(kept["n"], 64), **kept, **operands)
