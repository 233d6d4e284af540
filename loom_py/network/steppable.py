"""The methods of a network for stepping."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from ..marks import Duration, Floats, in_steps
from ..stepping.state import StepState
from ..stepping.training import SteppingProgress, SteppingResult, stepping_steps, train_with_stepping
from ..training.config import TrainingBatch
from ..training.grid import TrainableGrid


def _ticks(
    network: TrainableGrid,
    config: Mapping[str, Any] | None,
    data: Sequence[TrainingBatch | Mapping[str, Any]],
    total_steps: int,
) -> Generator[SteppingProgress | None, None, SteppingResult]:
    """`train_with_stepping` tick by tick."""
    return stepping_steps(network, config, data, total_steps, every_tick=True)


class Steppable(TrainableGrid):
    """Mixed into `Network`: step states and training by stepping."""

    def init_step_state(self, input_size: int | None = None, *, batch: int = 1, recurrent: str = "layer") -> StepState:
        """A new `StepState` for this network, all buffers zero."""
        return StepState(self, input_size, batch=batch, recurrent=recurrent)

    def step_forward(self, state: StepState) -> Duration:
        """One tick of all layers; see `StepState`."""
        return state.step_forward()

    def step_forward_single(self, state: StepState, layer: int) -> Duration:
        """Advance one layer alone."""
        return state.step_forward_single(layer)

    def step_backward(
        self, state: StepState, grad_output: Floats, *, scaling: str = "none", buffers: str = "used"
    ) -> Floats:
        """Gradient of the state's output → flat gradient of the input; sets `gradients` for `apply_gradients`."""
        return state.step_backward(grad_output, scaling, buffers)

    @in_steps(_ticks)
    def train_with_stepping(
        self,
        config: Mapping[str, Any] | None,
        data: Sequence[TrainingBatch | Mapping[str, Any]],
        total_steps: int,
    ) -> SteppingResult:
        """Step for `total_steps` ticks, one sample a tick, and learn from every output; see `SteppingConfig`.

        `loom_py.stepping.train_with_stepping` also takes a function that returns the sample of a tick.
        """
        return train_with_stepping(self, config, data, total_steps)
