"""Dispatches of `wgsl/optimiser.wgsl` and `optimiser_clip.wgsl`."""

from __future__ import annotations

from typing import Any

from ..program import Dispatch
from .encode import Encoder, encodes

GROUP = 128
LARGEST = 3.4028234e38


@encodes("clip_by_norm")
def clip_by_norm(e: Encoder, d: Dispatch) -> None:
    grads = d.arguments["grads"]
    counts = [min(e.elements(e.size(g), 8 * GROUP), 256) for g in grads]
    parts, factor = e.scratch(4 * sum(counts)), e.scratch(4)
    at = 0
    for g, count in zip(grads, counts, strict=True):
        e.run("optimiser_clip", "squares", count, n=e.size(g), part=at, limit=0.0, x=g, parts=parts)
        at += count
    limit = min(float(d.arguments["max_norm"]), LARGEST)
    e.run("optimiser_clip", "norm", 1, n=at, part=0, limit=limit, x=parts, parts=factor, out=d.outputs[0])
    if limit < LARGEST:
        for g in grads:
            e.run(
                "optimiser_clip", "apply", e.elements(e.size(g), GROUP), n=e.size(g), part=0, limit=0.0, x=factor, g=g
            )


@encodes("clip_by_value")
def clip_by_value(e: Encoder, d: Dispatch) -> None:
    for g in d.arguments["grads"]:
        n = e.size(g)
        e.run("optimiser_clip", "clip", e.elements(n, GROUP), n=n, part=0, limit=d.arguments["limit"], g=g)


def _update(e: Encoder, d: Dispatch, entry: str, operands: dict[str, Any], **numbers: Any) -> None:
    w = d.arguments["w"]
    n = e.size(w)
    given = {"correction1": 0, "correction2": 0, "a": 0.0, "b": 0.0, "epsilon": 0.0, "c": 0.0, "flag": 0} | numbers
    rate = e.slot(d.arguments["learning_rate"])
    e.run("optimiser", entry, e.elements(n), n=n, rate=rate, **given, w=w, g=d.arguments["g"], **operands)


@encodes("sgd_step")
def sgd_step(e: Encoder, d: Dispatch) -> None:
    _update(e, d, "sgd", {})


@encodes("sgd_momentum_step")
def sgd_momentum_step(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    numbers = {"a": a["momentum"], "b": 1 - a["dampening"], "flag": a["nesterov"]}
    _update(e, d, "sgd_momentum", {"v": a["velocity"]}, **numbers)


@encodes("adamw_step")
def adamw_step(e: Encoder, d: Dispatch) -> None:
    a = d.arguments

    def correction(beta: float) -> int:
        return e.slot(a["step"], f"1 / (1 - {beta} ** step)", lambda step: 1 / (1 - beta**step))

    corrections = {"correction1": correction(a["beta1"]), "correction2": correction(a["beta2"])}
    numbers = {"a": a["beta1"], "b": a["beta2"], "c": a["weight_decay"], "epsilon": a["epsilon"]}
    _update(e, d, "adamw", {"m": a["m"], "v": a["v"]}, **corrections, **numbers)


@encodes("rmsprop_step")
def rmsprop_step(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    operands = {"v": a["v"]}
    if a["buffer"] is not None:
        operands["m"] = a["buffer"]
    entry = "rmsprop" if a["buffer"] is None else "rmsprop_momentum"
    _update(e, d, entry, operands, a=a["alpha"], b=a["momentum"], epsilon=a["epsilon"])
