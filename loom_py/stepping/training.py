"""Train a network while it steps: one sample a tick, and the gradient of each tick's output."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from ..errors import ConfigError, InputError
from ..nn.layer import Array, Params
from ..progress import to_end
from ..schema.fields import LOOSE, Fields, Json
from ..schema.options import option, read_options
from ..training.config import as_batch
from ..training.divergence import Start
from ..training.grid import TrainableGrid
from ..training.losses import TARGETS, Loss, resolve_loss
from ..training.optimisers import Optimiser, read_optimiser
from ..training.schedulers import Scheduler, read_scheduler
from ..training.step import StepPlan, add_share, clip, flat
from ..values import to_array
from .queue import TargetQueue
from .state import BUFFERS, RECURRENT, SCALINGS, StepState

Loader = Callable[[int], Any]
"""Number of the tick, from 0 → its sample, a `TrainingBatch`, a `{"Input", "Target"}` object or a pair."""


@dataclass(frozen=True, kw_only=True)
class SteppingConfig:
    """Options of training by stepping. In JSON the names are in PascalCase (any case is accepted).

    **Arguments:**

    - `learning_rate`, `optimizer`, `scheduler` (`LRSchedule`), `loss_type`, `huber_delta`, `gradient_clip`,
      `gradient_clip_value`: as in `TrainingConfig`; a schedule counts updates.
    - `accumulation_steps` (`GradAccumSteps`): ticks whose gradients are averaged for one update.
    - `delay`: ticks before a target is due, see `TargetQueue`; by default the number of layers.
    - `hold`: ticks that each sample of a list stays at the input.
    - `shuffle`, `seed`: draw the next sample of a list at random instead of in order.
    - `recurrent`, `scaling`, `buffers`: see `StepState`.
    - `log_every`: ticks averaged into one entry of the histories.
    """

    learning_rate: float = option(0.001, minimum=0)
    optimizer: Optimiser | str | dict[str, Any] | None = None
    scheduler: Scheduler | str | dict[str, Any] | None = None
    loss_type: str = option("mse")
    huber_delta: float = option(1.0, above=0)
    gradient_clip: float = option(0.0, minimum=0)
    gradient_clip_value: float = option(0.0, minimum=0)
    accumulation_steps: int = option(1, minimum=1, names=["GradAccumSteps"])
    delay: int | None = option(None, minimum=1)
    hold: int = option(1, minimum=1)
    shuffle: bool = option(False)
    seed: int = option(0, minimum=0, maximum=2**32 - 1)
    recurrent: str = option("layer", choices=RECURRENT)
    scaling: str = option("none", choices=SCALINGS)
    buffers: str = option("used", choices=BUFFERS)
    log_every: int = option(100, minimum=1)

    @classmethod
    def from_json(cls, value: object, where: str = "config") -> Self:
        """From an object with keys in any case; what is left out keeps its default."""
        f = Fields(value, where, rules=LOOSE)
        config = cls(**read_options(cls, f), optimizer=f.any("Optimizer"), scheduler=f.any("Scheduler", "LRSchedule"))
        f.finish()
        return config


@dataclass(frozen=True, kw_only=True)
class SteppingProgress:
    """One entry of the histories: ticks done, mean loss since the last entry, learning rate of the last update.

    `accuracy` is the share of outputs since then whose largest value is where the target's is; None for outputs of one
    value.
    """

    step: int
    loss: float
    learning_rate: float
    accuracy: float | None = None

    def to_json(self) -> Json:
        record = {"step": self.step, "loss": self.loss, "learning_rate": self.learning_rate}
        return record | {"accuracy": self.accuracy}


@dataclass(frozen=True, kw_only=True)
class SteppingResult:
    """Losses are means over `log_every` ticks, each loss taken before its update; `total_time` in nanoseconds."""

    total_steps: int
    final_loss: float
    loss_history: list[float] = field(default_factory=list)
    lr_history: list[float] = field(default_factory=list)
    total_time: int = 0
    steps_per_second: float = 0.0

    def to_json(self) -> Json:
        """The original's six fields."""
        return {
            "TotalSteps": self.total_steps,
            "FinalLoss": self.final_loss,
            "LossHistory": self.loss_history,
            "LRHistory": self.lr_history,
            "TotalTime": self.total_time,
            "StepsPerSecond": self.steps_per_second,
        }


def train_with_stepping(
    network: TrainableGrid, config: Any, data: Sequence[Any] | Loader, total_steps: int
) -> SteppingResult:
    """Run `stepping_steps` to completion."""
    return to_end(stepping_steps(network, config, data, total_steps))


def stepping_steps(
    network: TrainableGrid, config: Any, data: Sequence[Any] | Loader, total_steps: int, *, every_tick: bool = False
) -> Generator[SteppingProgress | None, None, SteppingResult]:
    """Train for `total_steps` ticks: yields progress every `log_every` of them, returns the `SteppingResult`.

    With `every_tick` it also yields None after every other tick.

    `data` is a list of samples, or a function that returns the sample of a tick. The network's optimiser state carries
    on, as with `train`. Closing the generator keeps the updates made so far.
    """
    run = _Run(network, config, data, total_steps)
    try:
        while run.tick < total_steps:
            run.advance()
            if run.tick % run.config.log_every == 0 or run.tick == total_steps:
                progress = run.log()
                if progress is not None or every_tick:
                    yield progress
            elif every_tick:
                yield None
        run.before.check_weights(f"tick {run.tick}")
    except BaseException:
        run.before.keep_finite()
        raise
    return run.result()


class _Run:
    def __init__(self, network: TrainableGrid, config: Any, data: Sequence[Any] | Loader, total_steps: int) -> None:
        self.config = cfg = config if isinstance(config, SteppingConfig) else SteppingConfig.from_json(config or {})
        depth = len(network.layers) if cfg.delay is None else cfg.delay
        for name in ("accumulation_steps", "hold", "log_every"):
            if getattr(cfg, name) < 1:
                raise ConfigError(f"{getattr(cfg, name)} must be at least 1", where=f"config.{name}")
        if total_steps < depth:
            problem = f"{total_steps} ticks are too few: the first target is due after {depth}"
            raise InputError(problem, where="total_steps")
        self.network, self.queue = network, TargetQueue(max(depth, 1))
        self.plan = StepPlan(
            loss=Loss(resolve_loss(cfg.loss_type, "config.LossType"), cfg.huber_delta),
            optimiser=read_optimiser(cfg.optimizer, "config.Optimizer"),
            clip_norm=cfg.gradient_clip,
            clip_value=cfg.gradient_clip_value,
        )
        updates = max(1, (total_steps - depth + 1) // cfg.accumulation_steps)
        self.scheduler, spans = read_scheduler(cfg.scheduler, cfg.learning_rate, updates, "config.Scheduler")
        self.loader = data if callable(data) else None
        if not callable(data) and len(data) == 0:
            raise InputError("there is nothing to train on: no samples", where="data")
        # a list is checked before anything changes; a function can only be checked tick by tick
        self.samples = [self._checked(item, f"data[{i}]") for i, item in enumerate([] if callable(data) else data)]
        self.first = self.samples[0] if self.loader is None else self._checked(self.loader(0), "data[0]")
        self.rng, self.chosen = np.random.Generator(np.random.Philox(cfg.seed)), 0
        self.state = StepState(network, self.first[0].size, recurrent=cfg.recurrent)
        self.state.training = True
        for i, (x, target) in enumerate(self.samples):
            self._fits(x, target, i)
        network.check_not_training()
        self.before = Start(network, "train_with_stepping")
        training = network.training_state  # from here on the network changes
        training.use(network.ops, self.plan.optimiser, flat(network.params))
        if spans:
            training.scheduler = None
        training.follow(self.scheduler)
        self.tick, self.lr, self.start = 0, cfg.learning_rate, time.perf_counter_ns()
        self.window: list[float] = []
        self.right = 0
        self.losses: list[float] = []
        self.rates: list[float] = []
        self.summed: list[Params] = []
        self.count = 0

    def _checked(self, item: Any, where: str) -> tuple[Array, Array]:
        batch, dtype = as_batch(item, where), self.network.dtype
        x, target = to_array(batch.input, dtype, f"{where}.Input"), to_array(batch.target, dtype, f"{where}.Target")
        low, high = TARGETS[self.plan.loss.name]
        if not (np.isfinite(x).all() and np.isfinite(target).all()):
            raise InputError("contains NaN or infinity", where=where)
        if target.size and (target.min() < low or target.max() > high):
            raise InputError(f"no target for {self.plan.loss.name}: {low:g} … {high:g}", where=f"{where}.Target")
        return x, target

    def _fits(self, x: Array, target: Array, i: int) -> None:
        data = self.state.get_layer_data()
        for name, a, size in (("Input", x, np.size(data[0])), ("Target", target, np.size(data[-1]))):
            if a.size != size:
                raise InputError(f"expected {size} values, got {a.size}", where=f"data[{i}].{name}")

    def _sample(self) -> tuple[Array, Array]:
        """This tick's sample."""
        tick, cfg = self.tick, self.config
        if self.loader is not None:
            x, target = self.first if tick == 0 else self._checked(self.loader(tick), f"data[{tick}]")
            self._fits(x, target, tick)
            return x, target
        if tick % cfg.hold == 0:
            count = len(self.samples)
            self.chosen = int(self.rng.integers(count)) if cfg.shuffle else tick // cfg.hold % count
        return self.samples[self.chosen]

    def advance(self) -> None:
        """One tick, and an update once enough gradients are accumulated."""
        x, target = self._sample()
        with np.errstate(all="ignore"):  # a training that diverges is stopped
            self._advance(x, target)

    def _advance(self, x: Array, target: Array) -> None:
        self.state.set_input(x)
        self.state.step_forward()
        self.tick += 1
        due = self.queue.push(target)
        if due is None:
            return
        y, ops, cfg = self.state.output(), self.network.ops, self.config
        due = due.reshape(y.shape)
        at, z, due_there, from_logits = self.plan.loss.at(ops, y, self.state.logits(), due)
        loss = float(at.value(ops, z, due_there))
        self.before.check_loss(loss, f"tick {self.tick}")
        self.window.append(loss)
        self.right += int(np.argmax(y) == np.argmax(due))
        gradient = at.gradient(ops, z, due_there)
        self.state.loss_backward(gradient, cfg.scaling, cfg.buffers, from_logits=from_logits)
        self._collect()

    def _collect(self) -> None:
        network, cfg = self.network, self.config
        trees = network.gradient_trees or []
        if cfg.accumulation_steps > 1:
            self.summed = add_share(network.ops, self.summed, trees, 1 / cfg.accumulation_steps)
            self.count += 1
            if self.count < cfg.accumulation_steps:
                return
            network.gradient_trees, self.summed, self.count = self.summed, [], 0
        self._update()

    def _update(self) -> None:
        network, state = self.network, self.network.training_state
        tensors = flat(network.gradient_trees or [])
        clip(network.ops, self.plan, tensors)
        self.lr = self.scheduler.lr(state.schedule_step)
        network.check_not_training()
        state.apply(network.ops, flat(network.params), tensors, self.lr)
        state.schedule_step += 1

    def log(self) -> SteppingProgress | None:
        """Close a window of the histories; None if no target was due in it."""
        if not self.window:
            return None
        self.losses.append(sum(self.window) / len(self.window))
        self.rates.append(self.lr)
        accuracy = self.right / len(self.window) if self.state.output().size > 1 else None
        self.window, self.right = [], 0
        return SteppingProgress(step=self.tick, loss=self.losses[-1], learning_rate=self.lr, accuracy=accuracy)

    def result(self) -> SteppingResult:
        elapsed = time.perf_counter_ns() - self.start
        return SteppingResult(
            total_steps=self.tick,
            final_loss=self.losses[-1],
            loss_history=self.losses,
            lr_history=self.rates,
            total_time=elapsed,
            steps_per_second=self.tick / max(elapsed, 1) * 1e9,
        )
