"""What `train` takes, under the original's JSON names; what it returns is in `result`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from ..errors import ConfigError, InputError
from ..marks import Floats
from ..schema.fields import LOOSE, Fields, json_type
from ..schema.options import check_options, option, read_options
from .early_stopping import EarlyStopping
from .losses import resolve_loss
from .optimisers import Optimiser, read_optimiser
from .result import TrainingProgress
from .schedulers import Scheduler, read_scheduler

BATCH_KEYS = (("Input", "Inputs"), ("Target", "Targets"))
"""The two keys of a batch, by the name of the original's code and by that of its documents."""


BATCH = replace(LOOSE, error=InputError)


@dataclass(frozen=True, kw_only=True)
class TrainingBatch:
    """One optimiser step's data: `input` of B·I values, `target` of B·O values (flat or with a batch axis)."""

    input: Floats
    target: Floats

    @classmethod
    def from_json(cls, value: object, where: str = "batch") -> Self:
        """From `{"Input": […], "Target": […]}`, or the same with `Inputs` and `Targets`; keys in any case."""
        f = Fields(value, where, rules=BATCH)
        for names in BATCH_KEYS:
            if all(f.has(name) for name in names):
                raise InputError(
                    f"the batch has both {names[0]} and {names[1]}", where=where, remedy="Keep one of them."
                )
        batch = cls(input=f.any(*BATCH_KEYS[0]), target=f.any(*BATCH_KEYS[1]))
        f.finish()  # before what is missing: a key that is spelled wrong says more
        for (name, _), data in zip(BATCH_KEYS, (batch.input, batch.target), strict=True):
            if data is None:
                raise f.error("missing: an array of numbers is required", name)
        return batch


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How to train. In JSON the names are in PascalCase (`LearningRate`; any case is accepted).

    **Arguments:**

    - `epochs`: passes over all batches, of which `initial_epoch` are done already (resuming from a checkpoint).
    - `learning_rate`: of every update, or the start of the schedule.
    - `loss_type`, `huber_delta`: see `training.losses`.
    - `optimizer`: a name, an object or an `Optimiser`; see `training.optimisers`. Plain SGD if left out.
    - `scheduler`: likewise; see `training.schedulers`. Also called `LRSchedule` in JSON.
    - `gradient_clip`: largest global L2 norm of the gradients; 0 for no limit.
    - `gradient_clip_value`: largest absolute value of a gradient, applied before the norm; 0 for no limit.
    - `accumulation_steps`: batches whose gradients are averaged for one update.
    - `shuffle`, `seed`: visit the batches in another order every epoch, drawn from (seed, epoch) alone.
    - `early_stopping`: rules for stopping, or None.
    - `evaluate_every_n`: evaluate on the validation data every n epochs; 0 for never.
    - `validation_inputs`, `validation_targets`: as for `evaluate_network`.
    - `checkpoint_every_n`: save the network with its optimiser state every n epochs: to the file `checkpoint_path`
      (`{epoch}` in it becomes the number), else to `on_checkpoint`, else in the progress event.
    - `callbacks`: called with the `TrainingProgress` of every epoch. Returning True ends the training; raising ends it
      with that exception. Native only, like `on_checkpoint` and `progress`.
    - `progress`: show a bar (tqdm where it is installed).
    - `verbose`: print a line an epoch, and validation results.
    - `print_every_batch`: print the loss every n batches; 0 for never.
    - `use_gpu`: run on the GPU where a GPU device is available; training runs on the CPU otherwise.
    """

    epochs: int = option(10, minimum=1)
    initial_epoch: int = option(0, minimum=0)
    learning_rate: float = option(0.001, minimum=0)
    loss_type: str = option("mse")
    huber_delta: float = option(1.0, above=0)
    optimizer: Optimiser | str | Mapping[str, Any] | None = None
    scheduler: Scheduler | str | Mapping[str, Any] | None = None
    gradient_clip: float = option(0.0, minimum=0)
    gradient_clip_value: float = option(0.0, minimum=0)
    accumulation_steps: int = option(1, minimum=1)
    shuffle: bool = option(False)
    seed: int = option(0, minimum=0, maximum=2**32 - 1)
    early_stopping: EarlyStopping | None = None
    evaluate_every_n: int = option(0, minimum=0)
    validation_inputs: Sequence[Floats] = field(default_factory=list)
    validation_targets: Sequence[float] = field(default_factory=list)
    checkpoint_every_n: int = option(0, minimum=0)
    checkpoint_path: str = option("")
    on_checkpoint: Callable[[str, TrainingProgress], Any] | None = None
    callbacks: Sequence[Callable[[TrainingProgress], Any]] = ()
    progress: bool = False
    verbose: bool = option(False)
    print_every_batch: int = option(0, minimum=0)
    use_gpu: bool = option(False)

    @classmethod
    def from_json(cls, value: object, where: str = "config") -> Self:
        """From the original's keys (`Epochs`, `LearningRate`, …), in any case; what is left out keeps its default."""
        f = Fields(value, where, rules=LOOSE)
        stopping = f.any("EarlyStopping")
        config = cls(
            **read_options(cls, f),
            optimizer=f.any("Optimizer"),
            scheduler=f.any("Scheduler", "LRSchedule"),
            early_stopping=None if stopping is None else EarlyStopping.from_json(stopping, f.at("EarlyStopping")),
            validation_inputs=f.array("ValidationInputs", default=()),
            validation_targets=f.array("ValidationTargets", default=()),
        )
        f.finish()
        return config.check(where)

    def check(self, where: str = "config") -> Self:
        """Check all that does not depend on the network; `ConfigError` with the JSON path.

        Returns the config with plain Python numbers in place of NumPy's.
        """
        return replace(self, **check_options(self, where))._check(where)

    def _check(self, where: str) -> Self:
        """Rules that involve more than one option."""
        stopping = self.early_stopping
        if stopping is not None and not isinstance(stopping, EarlyStopping):
            raise ConfigError(f"expected EarlyStopping, got {json_type(stopping)}", where=f"{where}.EarlyStopping")
        resolve_loss(self.loss_type, f"{where}.LossType")
        read_optimiser(self.optimizer, f"{where}.Optimizer")
        read_scheduler(self.scheduler, self.learning_rate, 1, f"{where}.Scheduler")
        if self.initial_epoch >= self.epochs:
            problem = f"{self.initial_epoch} of {self.epochs} epochs are done: nothing is left to train"
            raise ConfigError(
                problem, where=f"{where}.InitialEpoch", remedy="Raise Epochs, which counts the finished ones too."
            )
        if len(self.validation_inputs) != len(self.validation_targets):
            raise ConfigError(
                f"{len(self.validation_inputs)} validation inputs but {len(self.validation_targets)} targets",
                where=f"{where}.ValidationTargets",
            )
        watched = self.early_stopping is not None and self.early_stopping.monitor == "validation_score"
        if watched and not (self.evaluate_every_n and len(self.validation_inputs)):
            raise ConfigError(
                "no validation score is measured",
                where=f"{where}.EarlyStopping.Monitor",
                remedy="Give EvaluateEveryN, ValidationInputs and ValidationTargets.",
            )
        if self.checkpoint_path:
            _check_path(self.checkpoint_path, f"{where}.CheckpointPath")
        return self


def _check_path(name: str, where: str) -> None:
    """Check before training, not at the first checkpoint, that a checkpoint can be written there."""
    if "\0" in name:
        raise ConfigError("a path cannot contain a null character", where=where)
    path = Path(name).resolve()
    if path.is_dir():
        raise ConfigError(f"{name} is a directory", where=where, remedy="Add the name of a file.")
    if not path.parent.is_dir():
        raise ConfigError(f"no such directory: {path.parent}", where=where)
    if not os.access(path.parent, os.W_OK):
        raise ConfigError(f"the directory {path.parent} cannot be written", where=where)


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
    if not isinstance(value, TrainingConfig):
        return TrainingConfig.from_json(value)
    return value.check()
