"""What a learning method is: it acts, gets the answer, and learns; with its settings and surroundings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..network.network import Network
from ..tween import TweenConfig

Array = np.ndarray[Any, Any]


@dataclass(kw_only=True)
class Settings:
    """An experiment's settings for its methods; defaults are the original's.

    **Arguments:**

    - `rate`, `decay`, `floor`: learning rate of backpropagation; per-tick updates multiply it by `decay` each
      time, down to `floor`.
    - `clip`: maximum gradient norm of `NormalBP`; 0 for none.
    - `tween_rate`, `tween_every`: rate of tweening, and ticks between tween steps when stepping.
    - `interval`: nanoseconds between updates of methods that collect samples first; `collect`: samples between
      updates instead, if not 0.
    - `batch`: batch size of the batch tweening methods.
    - `delayed`: `StepBP` compares each output with the target of the input that caused it.
    - `channels`: samples that `Waves` and `BatchBP` average.
    - `dense_rate`, `norm_rate`, `weight_rate_multiplier`, `ignore_threshold`, `prune_threshold`, `prune_patience`: of
      `TweenConfig`.
    """

    rate: float = 0.02
    decay: float = 1.0
    floor: float = 0.0
    clip: float = 0.0
    tween_rate: float = 0.02
    tween_every: int = 1
    interval: int = 50_000_000
    collect: int = 0
    batch: int = 32
    delayed: bool = False
    channels: int = 4
    dense_rate: float = 1.0
    norm_rate: float = 0.1
    weight_rate_multiplier: float = 0.01
    ignore_threshold: float = 0.2
    prune_threshold: float = 0.1
    prune_patience: int = 10

    def tween_config(self, rule: str, *, prune: bool = False) -> TweenConfig:
        """The configuration of tweening by that rule."""
        return TweenConfig(
            mode=rule,
            dense_rate=self.dense_rate,
            norm_rate=self.norm_rate,
            weight_rate_multiplier=self.weight_rate_multiplier,
            ignore_threshold=self.ignore_threshold,
            prune_enabled=prune,
            prune_threshold=self.prune_threshold,
            prune_patience=int(self.prune_patience),
        )


@dataclass(kw_only=True)
class Context:
    """What a method needs to run.

    **Arguments:**

    - `clock`: returns nanoseconds since the start, from ticks or from wall-clock time.
    - `length`: nanoseconds of the run.
    - `second`: ticks in a second of the tick clock; in tests 1 to 12 that is an epoch.
    """

    network: Network
    settings: Settings
    rng: np.random.Generator
    seed: int
    clock: Callable[[], int]
    length: int = 1
    second: int = 1
    updates: int = field(default=0)


class Learner:
    """Base class: acts by an ordinary forward pass and learns nothing."""

    def __init__(self, context: Context) -> None:
        self.c, self.network, self.settings = context, context.network, context.settings

    def act(self, x: Array) -> Array:
        """The output to act on, (O,)."""
        return self.network.forward(x)[0]

    def learn(self, x: Array, target: Array, output: Array) -> None:
        """Receive the correct answer, one-hot (O,), for this tick's input; `output` is what `act` returned."""

    def predict(self, inputs: Array) -> Array:
        """Predicted classes (N,) of inputs (N, I) by an ordinary forward pass, where a stepped network settles."""
        return self.network.forward(inputs).argmax(axis=1)
