"""The best network of a run, chosen by its accuracy."""

from __future__ import annotations

import numpy as np

from ..network.network import Network
from ..nn.layer import Params, tree_map
from ..values import all_finite


class Best:
    """Keeps a copy of the parameters with the highest accuracy.

    A network that has lost layers since starts anew, so that what is restored has the layers that are left.
    """

    def __init__(self, network: Network) -> None:
        self._network, self._layers = network, list(network.layers)
        self._params: list[Params] = []
        self.accuracy = -1.0

    def offer(self, accuracy: float) -> None:
        """Keep the parameters as they are now if `accuracy` is the highest so far."""
        if self._layers != self._network.layers:
            self._layers, self.accuracy = list(self._network.layers), -1.0
        if accuracy > self.accuracy and all(map(all_finite, self._network.parameters.values())):
            self.accuracy = accuracy
            self._params = [tree_map(np.copy, p) for p in self._network.params]

    def restore(self) -> None:
        """Put back what was kept; no effect if nothing was of the layers that are left."""
        if self._layers != self._network.layers or self.accuracy < 0:
            return
        for p, kept in zip(self._network.params, self._params, strict=True):
            for name, w in kept.items():
                p[name][...] = w
