"""Dispatches of `wgsl/experts.wgsl` and `experts_linear.wgsl`."""

from __future__ import annotations

from typing import Any

from ...errors import DeviceError
from ..program import Dispatch
from .encode import Encoder, encodes
from .linear import across, grouped, parts
from .storage import GROUP, KINDS


@encodes("route")
def route(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    rows, experts = e.shape(a["logits"])
    numbers: dict[str, Any] = {
        "rows": rows,
        "experts": experts,
        "count": a["count"],
        "normalised": int(a["normalised"]),
    }
    ids, probabilities = d.outputs
    e.run("experts", "route", e.elements(rows, 64), **numbers, x=a["logits"], ids=ids, out=probabilities)


@encodes("expert_linear")
def expert_linear(e: Encoder, d: Dispatch) -> None:
    x, ids, weight, experts = (d.arguments[name] for name in ("x", "ids", "weight", "experts"))
    width, choices = e.shape(x)[2], e.size(ids)
    if not grouped(e, weight):
        raise DeviceError(f"rows of {width} do not divide into groups of {GROUP}", where="webgpu", remedy="Use NumPy.")
    rows = e.shape(weight)[0] // experts
    kind = {"STORAGE": KINDS[e.stored(weight)]}
    numbers: dict[str, Any] = {"eights": width // GROUP, "rows": rows, "experts": experts}
    numbers["share"] = choices * width // e.size(x)
    for part in parts(e, weight):
        numbers |= {"first": part.first, "end": part.first + part.rows}
        operands = {"x": x, "ids": ids, "weights": part.weights, "scales": part.scales, "out": d.outputs[0]}
        e.run("experts_linear", "dot_rows", across(rows, choices), kind, **numbers, **operands)
