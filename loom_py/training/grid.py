"""A grid that is trained: what training keeps of it between calls."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ..errors import InputError
from ..marks import native, shared_as
from ..nn.grid import Grid
from ..nn.layer import Layer, Params
from ..runtime.choice import NUMPY, Choice
from ..runtime.program import Program
from .state import TrainingState


@shared_as("Network")
class TrainableGrid(Grid):
    """A grid with its optimiser's state, and a guard against two trainings at once."""

    in_training: bool = False
    """While `train` runs: the weights are its own, and may be on a device."""
    computed_on: Choice = Choice(NUMPY, "nothing was trained yet")
    """Where the last training ran, and why there."""

    @cached_property
    def training_state(self) -> TrainingState:
        """The optimiser with its state, fresh in a new grid."""
        return TrainingState()

    @cached_property
    def recorded(self) -> dict[Any, tuple[list[Layer], Program]]:
        """Training steps recorded so far, with the layers they are of."""
        return {}

    @native
    def check_not_training(self) -> None:
        """For everything that changes weights: raises `InputError` while `train` runs, which would overwrite it."""
        if self.in_training:
            raise InputError("is being trained already", where="network", remedy="Wait for that, or stop it first.")

    @native
    def checkpoint(self) -> str:
        """The grid with its training state as text. Only a subclass that knows a file format has one."""
        raise InputError("this grid cannot be written to a checkpoint", where="network", remedy="Train a Network.")

    def initialize_weights(self, seed: int | None = None) -> None:
        """Fresh random weights; the same seed gives the same weights."""
        self.check_not_training()
        super().initialize_weights(seed)
        self.training_state = TrainingState()

    @native
    def replace_layer(self, index: int, layer: Layer, params: Params) -> None:
        """As `Grid.replace_layer`; recorded steps are of the old layer and go."""
        self.check_not_training()
        super().replace_layer(index, layer, params)
        self.recorded.clear()
