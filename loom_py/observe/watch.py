"""Layers that report: copies of a network's layers whose `forward` and `backward` send events to a probe.

While nobody observes a network it runs its own layers, so that observation costs nothing. A copy has its layer's
class and fields, and a `forward` and `backward` of its own; for layers of layers the inner ones are copies too. Layers
stay frozen descriptions, and neither they nor `nn.chain` know about observers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from ..nn.layer import Child, Layer, Params, State
from ..runtime.ops import Ops, Tensor
from .events import LayerEvent, Mode, Place


class Probe:
    """Receives what the copies report, makes events of it and emits them."""

    def __init__(self, emit: Callable[[LayerEvent], None]) -> None:
        self.emit = emit
        self.mode: Mode = "normal"
        self.step_count = 0
        self.model_id = ""

    def forward(self, place: Place, p: Params, x: Tensor, y: Tensor) -> None:
        if isinstance(y, np.ndarray):  # while a program is recorded there are no values
            self.emit(LayerEvent("forward", place, x, y, self.mode, self.step_count, self.model_id, p))

    def backward(self, place: Place, p: Params, gy: Tensor, gx: Tensor, grads: Params) -> None:
        if isinstance(gx, np.ndarray):
            self.emit(LayerEvent("backward", place, gy, gx, self.mode, self.step_count, self.model_id, p, grads))


def watched(layer: Layer, place: Place, probe: Probe) -> Layer:
    """A copy of the layer, and of those inside it, that reports to `probe`."""
    inner = layer
    if children := layer.children():
        places = (_inside(place, i, child) for i, child in enumerate(children))
        pairs = zip(children, places, strict=True)
        inner = layer.with_children([watched(child.layer, inside, probe) for child, inside in pairs])

    def forward(ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        y, kept = inner.forward(ops, p, x, s, training)
        probe.forward(place, p, x, y)
        return y, kept

    def backward(ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        gx, grads = inner.backward(ops, p, cache, gy)
        probe.backward(place, p, gy, gx, grads)
        return gx, grads

    def backward_logits(ops: Ops, p: Params, cache: Any, gz: Tensor) -> tuple[Tensor, Params]:
        gx, grads = inner.backward_logits(ops, p, cache, gz)
        probe.backward(place, p, gz, gx, grads)
        return gx, grads

    reporting = copy(inner)
    vars(reporting).update(
        forward=forward, backward=backward, backward_logits=backward_logits
    )  # before the methods of its class
    return reporting


def _inside(place: Place, index: int, child: Child) -> Place:
    path, parallel = f"{place.path}.{child.path}", child.key == "branches"
    return replace(place, path=path, kind=child.layer.kind, branch_idx=index, is_parallel_branch=parallel)


def watched_grid(layers: Sequence[Layer], cols: int, per_cell: int, probe: Probe) -> list[Layer]:
    """Reporting copies of a grid's layers, in order."""
    copies = []
    for i, layer in enumerate(layers):
        cell = i // per_cell
        place = Place(f"layers.{i}", layer.kind, i, cell // cols, cell % cols, i % per_cell)
        copies.append(watched(layer, place, probe))
    return copies
