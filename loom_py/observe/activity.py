"""The current activity of every layer of the grid: two numbers a layer, cheap enough for every tick."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..nn.layer import Array
from .events import LayerEvent
from .observers import Observer


class ActivityObserver(Observer):
    """Each layer's last output, the last gradient at it, and their root mean squares.

    While the network runs only references are kept; the numbers are computed on request. Layers of the grid only, in
    grid order; 0 for a layer that has not run yet.
    """

    def __init__(self, layers: int) -> None:
        self.outputs: list[Array | None] = [None] * layers
        self.gradients: list[Array | None] = [None] * layers
        self.events = 0
        """Events seen so far; an unchanged number means unchanged values."""

    def on_event(self, event: LayerEvent) -> None:
        place = event.place
        if place.branch_idx != -1:
            return
        i = place.layer_idx
        if i >= len(self.outputs):  # the grid grew
            more = [None] * (i + 1 - len(self.outputs))
            self.outputs, self.gradients = self.outputs + more, self.gradients + more
        if event.type == "forward":
            self.outputs[i] = event.output
        else:
            self.gradients[i] = event.input
        self.events += 1

    @property
    def forward(self) -> Array:
        """Root mean square of each layer's last output, float32."""
        return root_mean_squares(self.outputs)

    @property
    def backward(self) -> Array:
        """Root mean square of the last gradient at each layer's output, float32."""
        return root_mean_squares(self.gradients)

    def get_values(self) -> Array:
        """`forward`, then `backward`, in one array."""
        return np.concatenate([self.forward, self.backward])


def root_mean_squares(arrays: Sequence[Array | None]) -> Array:
    """√(Σ a² / n) of each array, float32, all at once; 0 where there is none or nothing in it."""
    result = np.zeros(len(arrays), np.float32)
    present = [i for i, a in enumerate(arrays) if a is not None and a.size and a.dtype.kind == "f"]
    if not present:
        return result
    flat = [a.ravel() for i in present if (a := arrays[i]) is not None]
    sizes = np.array([a.size for a in flat])
    joined = np.concatenate(flat)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    result[present] = np.sqrt(np.add.reduceat(joined * joined, starts) / sizes)
    return result
