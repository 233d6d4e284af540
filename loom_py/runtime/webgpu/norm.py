"""Dispatches of `wgsl/norm.wgsl` and `norm_grad.wgsl`."""

from __future__ import annotations

from typing import Any

from ..program import Dispatch
from .encode import Encoder, Sized, encodes
from .reduction import total

COLUMNS = 32
"""Columns that a workgroup adds up, mirrored in the shader."""
ROWS = 64
"""Fewest rows of a part whose sums a workgroup makes."""
PARTS = 64


@encodes("rms_norm", "layer_norm")
def norm(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    width = e.size(a["gamma"])
    rows = e.size(a["x"]) // width
    operands: dict[str, Any] = {"x": a["x"], "gamma": a["gamma"], "out": d.outputs[0]}
    if d.kernel == "layer_norm":
        operands["beta"] = a["beta"]
    entry = "rms" if d.kernel == "rms_norm" else "layer"
    e.run("norm", entry, e.elements(rows, 1), rows=rows, width=width, eps=a["eps"], **operands)


@encodes("rms_norm_grad", "layer_norm_grad")
def norm_grad(e: Encoder, d: Dispatch) -> None:
    a, (gx, *gweights) = d.arguments, d.outputs
    width = e.size(a["gamma"])
    rows = e.size(a["x"]) // width
    numbers: dict[str, Any] = {"rows": rows, "width": width, "eps": a["eps"]}
    operands: dict[str, Any] = {"x": a["x"], "gy": a["gy"]}
    spreads = e.scratch(16 * rows)
    entry = "rms" if d.kernel == "rms_norm_grad" else "layer"
    e.run(
        "norm_grad", entry, e.elements(rows, 1), **numbers, **operands, gamma=a["gamma"], spreads_out=spreads, out=gx
    )  # fmt: skip
    parts = max(1, min(rows // ROWS, PARTS))
    for name, result in zip(("weights", "biases"), gweights, strict=False):
        out = result if parts == 1 else e.temporary((parts, width))
        sources: dict[str, Any] = {"gy": a["gy"]} | ({"x": a["x"], "spreads": spreads} if name == "weights" else {})
        e.run("norm_grad", name, (-(-width // COLUMNS), parts), **numbers, **sources, out=out)
        if parts > 1:
            total(e, out, 0, result)


def normalised(e: Encoder, x: Any, gamma: Any, eps: float) -> Sized:
    """RMSNorm into scratch memory of this dispatch."""
    width = e.size(gamma)
    rows = e.size(x) // width
    out = e.temporary(e.shape(x))
    e.run("norm", "rms", e.elements(rows, 1), rows=rows, width=width, eps=eps, x=x, gamma=gamma, out=out)
    return out
