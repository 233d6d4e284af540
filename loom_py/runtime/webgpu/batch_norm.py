"""Dispatches of `wgsl/batch_norm.wgsl`."""

from __future__ import annotations

from typing import Any

from ..program import Dispatch
from .encode import Encoder, encodes

GROUP = 128


def _run(e: Encoder, d: Dispatch, entry: str, groups: int, *, share: float = 0.0, **operands: Any) -> None:
    rows, channels, size = e.shape(d.arguments["x"])
    numbers = {"rows": rows, "channels": channels, "size": size, "eps": d.arguments.get("eps", 0.0), "share": share}
    e.run("batch_norm", entry, groups, **numbers, x=d.arguments["x"], **operands)


@encodes("batch_statistics")
def batch_statistics(e: Encoder, d: Dispatch) -> None:
    _run(e, d, "statistics", e.shape(d.arguments["x"])[1], out=d.outputs[0], second=d.outputs[1])


@encodes("batch_norm")
def batch_norm(e: Encoder, d: Dispatch) -> None:
    operands = {name: d.arguments[name] for name in ("mean", "variance", "gamma", "beta")}
    _run(e, d, "apply", e.elements(e.size(d.arguments["x"]), GROUP), **operands, out=d.outputs[0])


@encodes("batch_norm_grad")
def batch_norm_grad(e: Encoder, d: Dispatch) -> None:
    a, (gx, ggamma, gbeta) = d.arguments, d.outputs
    rows, channels, size = e.shape(a["x"])
    operands = {name: a[name] for name in ("mean", "variance", "gy")}
    _run(e, d, "sums", channels, **operands, out=ggamma, second=gbeta)
    share = 1 / (rows * size) if a["own"] else 0.0
    groups = e.elements(e.size(a["x"]), GROUP)
    _run(e, d, "gradient", groups, share=share, **operands, gamma=a["gamma"], beta=gbeta, second=ggamma, out=gx)
