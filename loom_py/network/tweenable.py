"""The methods of a network for tweening."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from ..marks import Floats, in_steps
from ..training.grid import TrainableGrid
from ..tween.config import TweenConfig
from ..tween.state import TweenState
from ..tween.training import TweenEpochMetrics, TweenResult, train, tween_epochs


def _samples(
    network: TrainableGrid,
    config: Mapping[str, Any] | None,
    inputs: Sequence[Floats],
    expected: Sequence[float],
    epochs: int,
    rate: float,
    seed: int = 0,
) -> Generator[TweenEpochMetrics | None, None, TweenResult]:
    """`train_with_tweening` sample by sample."""
    state = TweenState(network, config)
    return tween_epochs(state, network, inputs, expected, epochs, rate, seed=seed, every_sample=True)


class Tweenable(TrainableGrid):
    """Mixed into `Network`: tween states and training by tweening."""

    def init_tween_state(self, config: TweenConfig | Mapping[str, Any] | None = None) -> TweenState:
        """A new `TweenState` for this network; chain rule unless the config says otherwise."""
        return TweenState(self, config)

    @in_steps(_samples)
    def train_with_tweening(
        self,
        config: Mapping[str, Any] | None,
        inputs: Sequence[Floats],
        expected: Sequence[float],
        epochs: int,
        rate: float,
        seed: int = 0,
    ) -> TweenResult:
        """Tween on all samples, `epochs` times in random order; `config` is a `TweenConfig`, `expected` holds classes.

        Ends early at a score of `EarlyStopThreshold`, and with the network as it was at its best score.
        """
        state = TweenState(self, config)
        return train(state, self, inputs, expected, epochs, rate, seed=seed)
