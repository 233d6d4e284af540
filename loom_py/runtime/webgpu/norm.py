"""Dispatches of `wgsl/norm.wgsl`."""

from __future__ import annotations

from typing import Any

from ..program import Dispatch
from .encode import Encoder, Sized, encodes


@encodes("rms_norm", "layer_norm")
def norm(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    width = e.size(a["gamma"])
    operands: dict[str, Any] = {"x": a["x"], "gamma": a["gamma"], "out": d.outputs[0]}
    if d.kernel == "layer_norm":
        operands["beta"] = a["beta"]
    entry = "rms" if d.kernel == "rms_norm" else "layer"
    e.run("norm", entry, e.size(a["x"]) // width, width=width, eps=a["eps"], **operands)


def normalised(e: Encoder, x: Any, gamma: Any, eps: float) -> Sized:
    """RMSNorm into scratch memory of this dispatch."""
    width = e.size(gamma)
    out = e.temporary(e.shape(x))
    e.run("norm", "rms", e.size(x) // width, width=width, eps=eps, x=x, gamma=gamma, out=out)
    return out
