"""What training reports while it runs and at its end, under the original's JSON names."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..schema.fields import Json
from .evaluation import DeviationMetrics


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """One finished epoch, or one update where every update is reported.

    **Arguments:**

    - `epoch` of `epochs`, counted from 1.
    - `loss`: mean of the epoch, or of the update if `epoch_done` is false.
    - `step`: updates made in this training so far.
    - `learning_rate`, `gradient_norm`: of the last update; the norm is the global L2 norm before clipping by it.
    - `validation_score`: 0 … 100 in epochs with validation.
    - `checkpoint`: the bundle's text if one is due and neither file nor callback takes it.
    - `losses`: of all epochs reported together, `loss` being the last; empty for a single epoch.
    """

    epoch: int
    epochs: int
    loss: float
    step: int = 0
    learning_rate: float = 0.0
    gradient_norm: float = 0.0
    epoch_done: bool = True
    validation_score: float | None = None
    checkpoint: str | None = None
    losses: tuple[float, ...] = ()

    def to_json(self) -> Json:
        record: Json = {
            "epoch": self.epoch,
            "epochs": self.epochs,
            "loss": self.loss,
            "step": self.step,
            "learning_rate": self.learning_rate,
            "gradient_norm": self.gradient_norm,
            "epoch_done": self.epoch_done,
        }
        if self.losses:
            record["losses"] = list(self.losses)
        optional = {"validation_score": self.validation_score, "checkpoint": self.checkpoint}
        return record | {name: value for name, value in optional.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """Losses are epoch means of the batch losses, each taken before its update; `total_time` in nanoseconds.

    Where early stopping restores the best epoch by its loss, losses are measured after each epoch instead. Whatever it
    monitors, `best_loss` and `eval_metrics` are then those of the restored network.

    - `avg_throughput`: samples a second.
    - `lr_history`: learning rate of each epoch's last update.
    - `steps`: updates made.
    - `best_epoch`: of the smallest loss, or of the best value that early stopping saw; counted from 1.
    - `stop_reason`: `""` when all epochs ran, else `"early stopping"` or `"callback"`.
    """

    final_loss: float
    best_loss: float
    total_time: int
    avg_throughput: float
    loss_history: list[float]
    eval_metrics: DeviationMetrics | None = None
    lr_history: list[float] = field(default_factory=list)
    steps: int = 0
    best_epoch: int = 0
    stop_reason: str = ""

    @property
    def stopped_early(self) -> bool:
        return bool(self.stop_reason)

    def to_json(self) -> Json:
        """The original's six fields, then this package's."""
        return {
            "FinalLoss": self.final_loss,
            "BestLoss": self.best_loss,
            "TotalTime": self.total_time,
            "AvgThroughput": self.avg_throughput,
            "LossHistory": self.loss_history,
            "EvalMetrics": None if self.eval_metrics is None else self.eval_metrics.to_json(),
            "LRHistory": self.lr_history,
            "Steps": self.steps,
            "BestEpoch": self.best_epoch,
            "StoppedEarly": self.stopped_early,
            "StopReason": self.stop_reason,
        }
