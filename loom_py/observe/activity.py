"""How strongly every layer of the grid works at the moment: two numbers a layer, cheap enough for every tick."""

from __future__ import annotations

import math

import numpy as np

from ..nn.layer import Array
from .events import LayerEvent
from .observers import Observer


class ActivityObserver(Observer):
    """The root mean square of each layer's last output (`forward`) and of the last gradient at it (`backward`).

    float32 vectors with one number a layer of the grid, in grid order; 0 for what has not run yet.
    """

    def __init__(self, layers: int) -> None:
        self.forward = np.zeros(layers, np.float32)
        self.backward = np.zeros(layers, np.float32)

    def on_event(self, event: LayerEvent) -> None:
        place = event.place
        if place.branch_idx != -1:
            return
        if place.layer_idx >= len(self.forward):  # the grid grew
            more = place.layer_idx + 1 - len(self.forward)
            self.forward, self.backward = (np.pad(a, (0, more)) for a in (self.forward, self.backward))
        if event.type == "forward":
            self.forward[place.layer_idx] = _rms(event.output)
        else:
            self.backward[place.layer_idx] = _rms(event.input)


def _rms(a: Array) -> float:
    flat = a.ravel()
    return math.sqrt(float(flat @ flat) / flat.size) if flat.size and flat.dtype.kind == "f" else 0.0
