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
