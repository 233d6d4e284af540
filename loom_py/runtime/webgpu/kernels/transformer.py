"""`wgsl/norm.wgsl`, `rope.wgsl`, `attention.wgsl`, `sample.wgsl`: the rest of a decoder."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ....errors import DeviceError
from ...program import Dispatch, Ref
from ..encode import Encoder, Slice, encodes

LARGEST_HEAD = 256
WANTED_GROUPS = 128
"""Workgroups of attention below which a cache is worked on in pieces."""
PIECE = 64
"""Least positions of a piece."""


@encodes("rms_norm", "layer_norm")
def norm(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    width = e.size(a["gamma"])
    operands = {"x": a["x"], "gamma": a["gamma"], "out": d.outputs[0]}
    if d.kernel == "layer_norm":
        operands["beta"] = a["beta"]
    entry = "rms" if d.kernel == "rms_norm" else "layer"
    e.run("norm", entry, e.size(a["x"]) // width, width=width, eps=a["eps"], **operands)


def angles(e: Encoder, frequencies: Ref, position: Any, steps: int, inverse: bool) -> Slice:
    """cos and sin for `steps` rows from `position` on: made in float64, in Python, since shaders have no float64."""
    values = np.asarray(e.value(frequencies), np.float64)

    def turn(positions: Any) -> Any:
        phase = (positions[:, None] + np.arange(steps))[:, :, None] * values
        table = np.concatenate([np.cos(phase), np.sin(-phase if inverse else phase)], axis=2)
        return table.astype(np.float32).reshape(len(positions), -1)

    key = f"angles of {values.tobytes().hex()} for {steps}{' back' if inverse else ''}"
    return e.vector(position, key, 2 * steps * len(values), turn)


def rotation(e: Encoder, x: Ref, position: int = 0, capacity: int = 0) -> dict[str, Any]:
    """Numbers of `rope.wgsl` for x (…, T, heads, D)."""
    *_, steps, heads, size = e.shape(x)
    n = e.size(x) // 2
    return {
        "n": n, "steps": steps, "heads": heads, "half": size // 2, "row": heads * size, "capacity": capacity,
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
    numbers: dict[str, Any] = {
        "n": e.size(x), "steps": 0, "heads": 0, "half": 0, "row": prod(e.shape(x)[1:]), "capacity": e.size(cache),
        "position": e.slot(d.arguments["position"]),
    }  # fmt: skip
    e.run("rope", "write", e.elements(e.size(x), 64), **numbers, x=x, out=cache)


@encodes("rope_cache")
def rope_cache(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    steps = e.shape(a["q"])[0]
    table = angles(e, a["inverse_frequencies"], a["position"], steps, False)
    turned = rotation(e, a["q"])
    e.run("rope", "rotate", e.elements(turned["n"], 64), **turned, x=a["q"], angles=table, out=d.outputs[0])
    kept = rotation(e, a["k"], e.slot(a["position"]), e.size(a["keys"]))
    operands = {"x": a["k"], "v": a["v"], "angles": table, "out": a["keys"], "values": a["values"]}
    e.run("rope", "rotate_write", e.elements(kept["n"], 64), **kept, **operands)


@encodes("attention")
def attention(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    steps, heads, size = e.shape(a["q"])
    capacity, kv, _ = e.shape(a["keys"])
    if size > LARGEST_HEAD:
        raise DeviceError(f"heads of {size} elements are too wide", where="webgpu", remedy="Run it on another device.")
    parts = max(1, min(WANTED_GROUPS // (steps * heads), capacity // PIECE))
    numbers: dict[str, Any] = {
        "heads": heads, "kv": kv, "size": size, "position": e.slot(a["position"]), "parts": parts, "scale": size**-0.5,
    }  # fmt: skip
    operands = {"q": a["q"], "keys": a["keys"], "values": a["values"]}
    if parts == 1:
        e.run("attention", "whole", (heads, steps), **numbers, **operands, out=d.outputs[0])
        return
    pieces = e.scratch(4 * steps * heads * parts * (size + 2))
    e.run("attention", "part", (heads, steps, parts), **numbers, **operands, out=pieces)
    e.run("attention", "join", (heads, steps), **numbers, q=pieces, out=d.outputs[0])


@encodes("sample")
def sample(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    n = e.size(a["logits"])
    numbers: dict[str, Any] = {"n": n, "penalty": e.slot(a["repetition_penalty"])}
    numbers |= {name: e.slot(a[name]) for name in ("temperature", "top_k", "top_p", "min_p", "seed", "step")}
    keys = e.scratch(4 * n)
    e.run("sample", "score", e.elements(n), **numbers, logits=a["logits"], seen=a["seen"], out=keys)
    e.run("sample", "choose", 1, **numbers, keys=keys, out=d.outputs[0])


@encodes("mark")
def mark(e: Encoder, d: Dispatch) -> None:
    seen, ids = d.arguments["seen"], d.arguments["ids"]
    unused = dict.fromkeys(("temperature", "top_k", "top_p", "min_p", "penalty", "seed", "step"), 0)
    e.run("sample", "mark", e.elements(e.size(ids)), n=e.size(ids), **unused, keys=ids, out=seen)
