"""Dispatches of `wgsl/noise.wgsl`."""

from __future__ import annotations

from typing import Any

from ..kernels.noise import dropped_below
from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("dropout")
def dropout(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    n, rate = e.size(a["x"]), a["rate"]
    numbers: dict[str, Any] = {"n": n, "seed": a["seed"], "first": dropped_below(rate), "factor": 1 / (1 - rate)}
    e.run("noise", "dropout", e.elements(n), **numbers, step=e.slot(a["step"]), x=a["x"], out=d.outputs[0])


@encodes("gumbel")
def gumbel(e: Encoder, d: Dispatch) -> None:
    out, a = d.outputs[0], d.arguments
    numbers: dict[str, Any] = {"n": e.size(out), "seed": a["seed"], "first": 0, "factor": 1.0}
    e.run("noise", "gumbel", e.elements(e.size(out)), **numbers, step=e.slot(a["step"]), out=out)
