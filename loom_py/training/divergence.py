"""Trainings that diverge: weights or losses that are no longer finite numbers."""

from __future__ import annotations

import math

from ..errors import InputError
from ..nn.layer import Array
from ..values import all_finite
from .grid import TrainableGrid

REMEDY = "Lower the learning rate, clip gradients, or scale the inputs."


class Start:
    """The network as it is before a training, to return to if that diverges: weights, buffers and training state."""

    def __init__(self, network: TrainableGrid, where: str) -> None:
        self._network, self._where = network, where
        self._tensors = [a.copy() for a in _tensors(network)]
        self._state = network.training_state.copy()

    def check_loss(self, loss: float, at: str) -> None:
        """Raises `InputError` for a loss that is not finite; `at` says when, as in `epoch 3`."""
        if not math.isfinite(loss):
            raise self._diverged(f"the loss is {loss} in {at}")

    def check_weights(self, at: str) -> None:
        """Raises `InputError` where a weight, a buffer or what the optimiser keeps is not finite."""
        if not self._finite():
            raise self._diverged(f"the weights are not finite after {at}")

    def keep_finite(self) -> None:
        """For a training that ends early: return to the start if it has diverged."""
        if not self._finite():
            self._restore()

    def _diverged(self, message: str) -> InputError:
        self._restore()
        return InputError(message, where=self._where, remedy=f"{REMEDY} The network is as it was before.")

    def _finite(self) -> bool:
        slots = self._network.training_state.slots.values()
        return all(map(all_finite, _tensors(self._network))) and all(all_finite(a) for kept in slots for a in kept)

    def _restore(self) -> None:
        for a, before in zip(_tensors(self._network), self._tensors, strict=True):
            a[...] = before
        self._network.training_state = self._state.copy()
        self._network.forget_pass()


def _tensors(network: TrainableGrid) -> list[Array]:
    return [*network.parameters.values(), *network.buffers.values()]
