"""Dispatches of `wgsl/loss.wgsl` and `loss_token.wgsl`."""

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


@encodes("token_loss", "token_loss_grad")
def token_loss(e: Encoder, d: Dispatch) -> None:
    z, ids, out = d.arguments["logits"], d.arguments["targets"], d.outputs[0]
    rows, width = e.shape(z)
    numbers: dict[str, Any] = {"rows": rows, "width": width, "smoothing": d.arguments.get("smoothing", 0.0)}
    sums, count = e.scratch(16 * rows), e.scratch(4)
    mean = out if d.kernel == "token_loss" else e.scratch(4)
    e.run("loss_token", "rows", e.elements(rows, 1), **numbers, z=z, ids=ids, sums_out=sums)
    e.run("loss_token", "mean", 1, **numbers, sums=sums, count_out=count, out=mean)
    if d.kernel == "token_loss_grad":
        operands: dict[str, Any] = {"z": z, "ids": ids, "g": d.arguments["g"], "sums": sums, "count": count, "out": out}
        e.run("loss_token", "gradient", e.elements(e.size(z), GROUP), **numbers, **operands)
