"""What `train` takes and gives back, with the original's JSON names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ..errors import ConfigError
from ..introspection import Floats
from ..nn.fields import Fields, Json
from .evaluation import DeviationMetrics

LOSSES = ("mse",)


@dataclass(frozen=True, kw_only=True)
class TrainingBatch:
    """One optimiser step's data: `input` of B·I values, `target` of B·O values (flat or with a batch axis)."""

    input: Floats
    target: Floats

    @classmethod
    def from_json(cls, value: object, where: str = "batch") -> Self:
        """From `{"Input": […], "Target": […]}`; keys in any case."""
        f = _lower(value, where)
        batch = cls(input=f.any("input"), target=f.any("target"))
        for name, data in (("Input", batch.input), ("Target", batch.target)):
            if data is None:
                raise ConfigError("missing: an array of numbers is required here", where=f"{where}.{name}")
        f.finish()
        return batch


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How to train.

    **Arguments:**

    - `epochs`: passes over all batches.
    - `learning_rate`: of SGD.
    - `gradient_clip`: largest global L2 norm of the gradients; 0 for no limit.
    - `loss_type`: `"mse"`.
    - `verbose`: print a line an epoch, and validation results.
    - `print_every_batch`: print the loss every n batches; 0 for never.
    - `evaluate_every_n`: evaluate on the validation data every n epochs; 0 for never.
    - `validation_inputs`, `validation_targets`: as for `evaluate_network`.
    - `use_gpu`: run on the GPU where a GPU device is available; training runs on the CPU otherwise.
    """

    epochs: int = 10
    learning_rate: float = 0.001
    gradient_clip: float = 0.0
    loss_type: str = "mse"
    verbose: bool = False
    print_every_batch: int = 0
    evaluate_every_n: int = 0
    validation_inputs: list[Floats] = field(default_factory=list)
    validation_targets: list[float] = field(default_factory=list)
    use_gpu: bool = False

    @classmethod
    def from_json(cls, value: object, where: str = "config") -> Self:
        """From the original's keys (`Epochs`, `LearningRate`, …), in any case; what is left out keeps its default."""
        f = _lower(value, where)
        config = cls(
            epochs=f.integer("epochs", default=cls.epochs),
            learning_rate=f.number("learningrate", default=cls.learning_rate),
            gradient_clip=f.number("gradientclip", default=0.0, minimum=0.0),
            loss_type=f.string("losstype", default="mse"),
            verbose=f.boolean("verbose"),
            print_every_batch=f.integer("printeverybatch", default=0, minimum=0),
            evaluate_every_n=f.integer("evaluateeveryn", default=0, minimum=0),
            validation_inputs=f.any("validationinputs") or [],
            validation_targets=f.any("validationtargets") or [],
            use_gpu=f.boolean("usegpu"),
        )
        f.finish()
        return config


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """One epoch done: `epoch` of `epochs` (counted from 1) and its mean loss."""

    epoch: int
    epochs: int
    loss: float

    def to_json(self) -> Json:
        return {"epoch": self.epoch, "epochs": self.epochs, "loss": self.loss}


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """Losses are epoch means of the batch losses, each taken before its update; `total_time` in nanoseconds."""

    final_loss: float
    best_loss: float
    total_time: int
    avg_throughput: float
    loss_history: list[float]
    eval_metrics: DeviationMetrics | None = None

    def to_json(self) -> Json:
        """The original's field names."""
        return {
            "FinalLoss": self.final_loss,
            "BestLoss": self.best_loss,
            "TotalTime": self.total_time,
            "AvgThroughput": self.avg_throughput,
            "LossHistory": self.loss_history,
            "EvalMetrics": None if self.eval_metrics is None else self.eval_metrics.to_json(),
        }


def _lower(value: object, where: str) -> Fields:
    if not isinstance(value, Mapping):
        return Fields(value, where)
    return Fields({str(k).lower().replace("_", ""): v for k, v in value.items()}, where)


def as_batch(value: Any, where: str) -> TrainingBatch:
    """A batch from a `TrainingBatch`, a JSON object, or an (input, target) pair."""
    if isinstance(value, TrainingBatch):
        return value
    if isinstance(value, (tuple, list)) and len(value) == 2:
        return TrainingBatch(input=value[0], target=value[1])
    return TrainingBatch.from_json(value, where)


def as_config(value: Any) -> TrainingConfig:
    """A config from a `TrainingConfig`, a JSON object, or None for the defaults."""
    if value is None:
        return TrainingConfig()
    return value if isinstance(value, TrainingConfig) else TrainingConfig.from_json(value)
