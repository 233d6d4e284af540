"""Backpropagation with ordinary passes and plain gradient descent: what tweening is measured against."""

from __future__ import annotations

from typing import Any

import numpy as np

from .learner import Context, Learner
from .views import views

Array = np.ndarray[Any, Any]


class TickBP(Learner):
    """Backpropagates output − target at every tick, with ordinary passes and plain SGD."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.rate, self.decay = self.settings.rate, self.settings.decay

    def learn(self, x: Array, target: Array, output: Array) -> None:
        self.network.backward(output - target)
        self.network.update_weights(self.rate)
        self.rate = max(self.rate * self.decay, self.settings.floor)
        self.c.updates += 1


class EqualBP(TickBP):
    """`TickBP` with the learning rate and samples of the tweening methods, one sample at a time."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.rate, self.decay = self.settings.tween_rate, 1.0


class SampleBP(TickBP):
    """The original's backpropagation in tests 1 to 12: plain gradient descent after every sample, at its own rate."""


class BatchBP(Learner):
    """Plain gradient descent by the mean gradient of `channels` samples: one update for all of them."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.kept: list[tuple[Array, Array]] = []

    def learn(self, x: Array, target: Array, output: Array) -> None:
        self.kept.append((x, target))
        if len(self.kept) >= self.settings.channels:
            self.descend(np.stack([x for x, _ in self.kept]), np.stack([t for _, t in self.kept]))
            self.kept = []

    def descend(self, inputs: Array, targets: Array) -> None:
        """One update by the mean gradient of inputs (N, I) with targets (N, O)."""
        self.network.backward((self.network.forward(inputs) - targets) / len(inputs))
        self.network.update_weights(self.settings.rate)
        self.c.updates += 1


class ViewsBP(BatchBP):
    """Plain gradient descent by the mean gradient of the four views of a sample that `Resonant` sees."""

    def learn(self, x: Array, target: Array, output: Array) -> None:
        inputs = views(x, self.c.rng)
        self.descend(inputs, np.repeat(target[None], len(inputs), axis=0))
