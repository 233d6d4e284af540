"""Dispatches of `wgsl/loss.wgsl`."""

from __future__ import annotations

from typing import Any

from ..enumeration import ENUMERATIONS
from ..program import Dispatch
from .encode import Encoder, encodes

KINDS = {name: i for i, name in enumerate(ENUMERATIONS["loss"])}
GROUP = 128


@encodes("loss", "loss_grad")
def loss(e: Encoder, d: Dispatch) -> None:
    y, name = d.arguments["y"], d.arguments["name"]
    n, width = e.size(y), e.shape(y)[-1] if e.shape(y) else 1
    kind = {"KIND": KINDS[name]}
    rows = n // width
    numbers: dict[str, Any] = {"n": n, "width": width, "delta": d.arguments.get("delta", 1.0)}
    operands = {"y": y, "t": d.arguments["target"], "row_sums": y}
    if name == "cross_entropy_logits":
        operands["row_sums"] = sums = e.scratch(8 * rows)
        e.run("loss", "rows", e.elements(rows, 1), kind, **numbers, y=y, t=d.arguments["target"], row_sums_out=sums)
    if d.kernel == "loss":
        e.run("loss", "mean", 1, kind, **numbers, **operands, out=d.outputs[0])
    else:
        e.run("loss", "gradient", e.elements(n, GROUP), kind, **numbers, **operands, out=d.outputs[0])
