"""Dispatches of `wgsl/optimiser.wgsl` and `optimiser_clip.wgsl`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..kernel import KERNELS
from ..kernels.optimiser import UPDATES
from ..program import Dispatch
from .encode import Encoder, encodes
from .shaders import shader

GROUP = 128
LARGEST = 3.4028234e38


@encodes("clip_by_norm")
def clip_by_norm(e: Encoder, d: Dispatch) -> None:
    grads = d.arguments["grads"]
    counts = [min(e.elements(e.size(g), 8 * GROUP), 256) for g in grads]
    parts, factors = e.scratch(12 * sum(counts)), e.scratch(8)
    at = 0
    for g, count in zip(grads, counts, strict=True):
        e.run("optimiser_clip", "squares", count, n=e.size(g), part=at, limit=0.0, x=g, parts=parts)
        at += count
    limit = min(float(d.arguments["max_norm"]), LARGEST)
    e.run("optimiser_clip", "norm", 1, n=at, part=0, limit=limit, x=parts, parts=factors, out=d.outputs[0])
    if limit < LARGEST:
        for g in grads:
            e.run(
                "optimiser_clip", "apply", e.elements(e.size(g), GROUP), n=e.size(g), part=0, limit=0.0, x=factors, g=g
            )


@encodes("clip_by_value")
def clip_by_value(e: Encoder, d: Dispatch) -> None:
    for g in d.arguments["grads"]:
        n = e.size(g)
        e.run("optimiser_clip", "clip", e.elements(n, GROUP), n=n, part=0, limit=d.arguments["limit"], g=g)


def _derived(e: Encoder, d: Dispatch, name: str, function: Callable[..., float]) -> Any:
    """A number computed from others; it gets a slot of its own if one of them is dynamic."""
    given = {parameter: d.arguments[parameter] for parameter in inspect.signature(function).parameters}
    dynamic = [parameter for parameter in given if parameter in KERNELS[d.kernel].dynamic]
    if not dynamic:
        return function(**given)
    changing = given.pop(dynamic[0])
    return e.slot(changing, f"{d.kernel} {name} {given}", lambda value: function(**{dynamic[0]: value}, **given))


@encodes(*UPDATES)
def step(e: Encoder, d: Dispatch) -> None:
    """The entry point: the kernel's name, with `_and_<slot>` for each optional slot in use."""
    update, dynamic = UPDATES[d.kernel], KERNELS[d.kernel].dynamic
    slots = {name: d.arguments[name] for name in update.slots if d.arguments.get(name) is not None}
    numbers: dict[str, Any] = {name: d.arguments[name] for name in update.numbers}
    numbers |= {name: e.slot(numbers[name]) for name in dynamic}
    numbers |= {name: _derived(e, d, name, function) for name, function in update.derived.items()}
    n = e.size(d.arguments["w"])
    fields = {name: numbers.get(name, 0) for name in shader("optimiser").fields}
    entry = "_and_".join([d.kernel, *(name for name in update.optional if name in slots)])
    e.run("optimiser", entry, e.elements(n), **fields | {"n": n}, w=d.arguments["w"], g=d.arguments["g"], **slots)
