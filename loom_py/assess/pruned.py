"""Tweening that removes layers on the way, for tests 10 and 11."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tween import TweenState
from ..tween.pruning import prune
from .learner import Context, Learner

Array = np.ndarray[Any, Any]


class PrunedTween(Learner):
    """The original's `PruneEnabled`: `TweenChain` that takes out layers whose link budget stays low, once an epoch."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.tween, self.tick = TweenState(context.network, self.settings.tween_config("chain_rule", prune=True)), 0

    def learn(self, x: Array, target: Array, output: Array) -> None:
        self.tween.tween_step_towards(self.network, x, target, self.settings.tween_rate)
        self.c.updates += 1
        self.tick += 1
        if self.tick % self.c.second == 0:
            prune(self.tween, self.network)
