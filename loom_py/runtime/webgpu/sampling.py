"""Dispatches of `wgsl/sampling.wgsl`."""

from __future__ import annotations

from typing import Any

from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("sample")
def sample(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    n = e.size(a["logits"])
    numbers: dict[str, Any] = {"n": n, "penalty": e.slot(a["repetition_penalty"])}
    numbers |= {name: e.slot(a[name]) for name in ("temperature", "top_k", "top_p", "min_p", "seed", "step")}
    keys = e.scratch(4 * n)
    e.run("sampling", "score", e.elements(n), **numbers, logits=a["logits"], seen=a["seen"], out=keys)
    e.run("sampling", "choose", 1, **numbers, keys=keys, out=d.outputs[0])


@encodes("mark")
def mark(e: Encoder, d: Dispatch) -> None:
    seen, ids = d.arguments["seen"], d.arguments["ids"]
    unused = dict.fromkeys(("temperature", "top_k", "top_p", "min_p", "penalty", "seed", "step"), 0)
    e.run("sampling", "mark", e.elements(e.size(ids)), n=e.size(ids), **unused, keys=ids, out=seen)
