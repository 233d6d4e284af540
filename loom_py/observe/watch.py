"""Layers that report: copies of a network's layers whose `forward` and `backward` tell a probe what went through.

A network runs its own layers while nobody observes it, so that observation costs nothing then. A copy is an instance of
a subclass of its layer's own class with the same fields; for layers of layers the inner ones are copies too. Layers
stay frozen descriptions, and neither they nor `nn.chain` know about observers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from ..nn.layer import Layer, Params, State
from ..nn.parallel import Parallel
from ..nn.sequential import Sequential
from ..runtime.ops import Ops, Tensor
from .events import LayerEvent, Mode, Place


class Probe:
    """Where copies report to: makes the events and hands them on."""

    def __init__(self, emit: Callable[[LayerEvent], None]) -> None:
        self.emit = emit
        self.mode: Mode = "normal"
        self.step_count = 0
        self.model_id = ""

    def forward(self, place: Place, p: Params, x: Tensor, y: Tensor) -> None:
        if isinstance(y, np.ndarray):  # a recording of the pass has no values yet
            self.emit(LayerEvent("forward", place, x, y, self.mode, self.step_count, self.model_id, p))

    def backward(self, place: Place, p: Params, gy: Tensor, gx: Tensor, grads: Params) -> None:
        if isinstance(gx, np.ndarray):
            self.emit(LayerEvent("backward", place, gy, gx, self.mode, self.step_count, self.model_id, p, grads))


class _Reporting:
    """Mixed in before a layer's class."""

    _probe: Probe
    _place: Place

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State) -> tuple[Tensor, Any]:
        y, kept = super().forward(ops, p, x, s)  # type: ignore[misc]
        self._probe.forward(self._place, p, x, y)
        return y, kept

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        gx, grads = super().backward(ops, p, cache, gy)  # type: ignore[misc]
        self._probe.backward(self._place, p, gy, gx, grads)
        return gx, grads


@cache
def _reporting(cls: type[Layer]) -> type[Layer]:
    return type(f"Watched{cls.__name__}", (_Reporting, cls), {})


def watched(layer: Layer, place: Place, probe: Probe) -> Layer:
    """A copy of the layer, and of those inside it, that reports to `probe`."""
    fields = dict(vars(layer))
    if isinstance(layer, Parallel):
        fields["branches"] = tuple(
            watched(branch, _inside(place, "branches", i, branch, True), probe)
            for i, branch in enumerate(layer.branches)
        )
        if layer.gate is not None:
            gate = replace(_inside(place, "gate", 0, layer.gate, False), branch_idx=len(layer.branches))
            fields["gate"] = watched(layer.gate, gate, probe)
    elif isinstance(layer, Sequential):
        fields["layers"] = tuple(
            watched(inner, _inside(place, "layers", i, inner, False), probe) for i, inner in enumerate(layer.layers)
        )
    copy = object.__new__(_reporting(type(layer)))
    vars(copy).update(fields, _probe=probe, _place=place)
    return copy


def _inside(place: Place, name: str, index: int, layer: Layer, parallel: bool) -> Place:
    path = f"{place.path}.{name}.{index}"
    return replace(place, path=path, kind=layer.kind, branch_idx=index, is_parallel_branch=parallel)


def watched_grid(layers: Sequence[Layer], cols: int, per_cell: int, probe: Probe) -> list[Layer]:
    """Reporting copies of a grid's layers, in order."""
    copies = []
    for i, layer in enumerate(layers):
        cell = i // per_cell
        place = Place(f"layers.{i}", layer.kind, i, cell // cols, cell % cols, i % per_cell)
        copies.append(watched(layer, place, probe))
    return copies
