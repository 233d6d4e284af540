"""Stop when training no longer helps (Prechelt 1998)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..nn.layer import Array
from ..schema.fields import LOOSE, Fields
from ..schema.options import check_options, option, read_options
from .evaluation import DeviationMetrics
from .grid import TrainableGrid
from .state import TrainingState

MONITORS = ("loss", "validation_score")


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """Stop after `patience` measurements in a row that are not better than the best by more than `min_delta`.

    **Arguments:**

    - `monitor`: `"loss"`, measured every epoch, smaller is better; or `"validation_score"`, measured whenever
      validation runs, larger is better.
    - `restore_best`: end with the network as it was after its best epoch, optimiser state included. Where losses are
      monitored, that of an epoch is then measured after it, in evaluation passes over all batches.
    """

    patience: int = option(10, minimum=1)
    min_delta: float = option(0.0, minimum=0)
    monitor: str = option("loss", choices=MONITORS)
    restore_best: bool = option(False)

    def __post_init__(self) -> None:
        check_options(self, "EarlyStopping")

    @classmethod
    def from_json(cls, value: object, where: str) -> Self:
        """From `{"Patience", "MinDelta", "Monitor", "RestoreBest"}`, keys in any case."""
        f = Fields(value, where, rules=LOOSE)
        rules = cls(**read_options(cls, f))
        f.finish()
        return rules


class Watch:
    """Tracks the monitored value of one run."""

    def __init__(self, rules: EarlyStopping, network: TrainableGrid) -> None:
        self.rules, self.network = rules, network
        self.best, self.best_epoch, self._waited = math.inf, 0, 0
        self.best_metrics: DeviationMetrics | None = None
        self._kept: tuple[list[Array], TrainingState] | None = None

    @property
    def measures(self) -> bool:
        """Whether losses must be of the network as it is after an epoch, not of its way there."""
        return self.rules.restore_best and self.rules.monitor == "loss"

    def stops(self, epoch: int, loss: float, metrics: DeviationMetrics | None) -> bool:
        """Whether to stop after this epoch; `metrics` is None in epochs without validation."""
        value = loss
        if self.rules.monitor == "validation_score":
            if metrics is None:
                return False
            value = -metrics.score
        if value < self.best - self.rules.min_delta:
            self.best, self.best_epoch, self.best_metrics, self._waited = value, epoch, metrics, 0
            if self.rules.restore_best:
                self._kept = [np.copy(w) for w in self._tensors()], self.network.training_state.copy()
            return False
        self._waited += 1
        return self._waited >= self.rules.patience

    def restore(self) -> bool:
        """Restore the best epoch if `restore_best` → whether it was."""
        if self._kept is None:
            return False
        weights, self.network.training_state = self._kept
        for w, best in zip(self._tensors(), weights, strict=True):
            w[...] = best
        return True

    def _tensors(self) -> list[Array]:
        return [*self.network.parameters.values(), *self.network.buffers.values()]
