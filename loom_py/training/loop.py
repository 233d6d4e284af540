"""The training loop, a generator: callers can watch it, slice it and stop it between updates."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from ..errors import DeviceError
from ..formats.files import replace_file
from ..nn.layer import Array
from ..progress import Bar, to_end
from ..runtime.choice import NUMPY, Choice
from ..runtime.pending import Waiting
from .config import TrainingConfig, as_config
from .data import EpochStates, check_input, check_trainable, epoch_order, prepare
from .device_run import SLICE_SECONDS, DeviceRun
from .device_step import choose_updates
from .divergence import Start
from .early_stopping import Watch
from .evaluation import DeviationMetrics, evaluate, samples
from .grid import TrainableGrid
from .losses import Loss, resolve_loss
from .optimisers import read_optimiser
from .result import TrainingProgress, TrainingResult
from .schedulers import read_scheduler
from .step import StepPlan, evaluation_loss, flat, train_step


def training_steps(
    network: TrainableGrid,
    batches: Sequence[Any],
    config: Any = None,
    *,
    every_step: bool = False,
    device: str | None = None,
) -> Generator[TrainingProgress, None, TrainingResult]:
    """Train one epoch at a time: yields `TrainingProgress` after each, returns the `TrainingResult`.

    With `every_step` it also yields within epochs, for networks whose epochs take long: on NumPy after every update,
    on a device after some milliseconds of them; `epoch_done` marks the end of one. `device` is the preferred device of
    this training, see `runtime.choice`. Everything is checked before the first update. Closing the generator keeps the
    updates made so far.
    """
    work = training_work(network, batches, config, every_step=every_step, device=device)
    try:
        while True:
            progress = next(work)
            if isinstance(progress, Waiting):
                raise DeviceError(
                    "answers asynchronously in a page", where=network.computed_on.name, remedy="Use training_work."
                )
            yield progress
    except StopIteration as stop:
        return stop.value
    finally:
        work.close()


def training_work(
    network: TrainableGrid,
    batches: Sequence[Any],
    config: Any = None,
    *,
    every_step: bool = False,
    ahead: bool = False,
    device: str | None = None,
) -> Generator[TrainingProgress | Waiting, None, TrainingResult]:
    """`training_steps` for callers that can wait: yields a `Waiting` where a device in a page answers later.

    With `ahead` a device may run several epochs at once and report them in one progress (`losses`), and NumPy several
    updates of an epoch.
    """
    network.check_not_training()
    run = _Run(network, batches, as_config(config), device, ahead)
    cfg = run.config
    network.in_training = True
    try:
        epoch = cfg.initial_epoch
        while epoch < cfg.epochs:
            run.follow_observers()
            if several := run.epochs_at_once(epoch):
                yield (yield from run.epochs(epoch, several))
                epoch += several
                continue
            epoch += 1
            for progress in run.updates(epoch):
                if isinstance(progress, Waiting) or (every_step and progress is not None):
                    yield progress
            yield from run.measure()
            progress = run.finish_epoch(epoch)
            yield progress
            if any([callback(progress) is True for callback in cfg.callbacks]):
                run.stop_reason = run.stop_reason or "callback"
            if run.stop_reason:
                break
        yield from run.last_gradients()
        return (yield from run.result())
    except BaseException:
        run.start.keep_finite()
        raise
    finally:
        network.in_training = False
        run.free()


def train(network: TrainableGrid, batches: Sequence[Any], config: Any = None) -> TrainingResult:
    """Run `training_steps` to completion, with a progress bar if `config.progress`."""
    cfg = as_config(config)
    steps = training_work(network, batches, cfg, ahead=True)
    if not cfg.progress:
        return to_end(steps)
    with Bar("training", cfg.epochs, "epoch") as bar:

        def show(progress: TrainingProgress | Waiting) -> None:
            if isinstance(progress, TrainingProgress):
                bar.to(progress.epoch, f"loss {progress.loss:.6f}")

        return to_end(steps, show)


class _Run:
    """One call of `train`: the checked data and what has been measured so far."""

    def __init__(
        self,
        network: TrainableGrid,
        batches: Sequence[Any],
        config: TrainingConfig,
        preference: str | None,
        ahead: bool,
    ) -> None:
        self.network, self.config = network, config
        loss = Loss(resolve_loss(config.loss_type, "config.LossType"), config.huber_delta)
        optimiser = read_optimiser(config.optimizer, "config.Optimizer")
        self.plan = StepPlan(
            loss=loss, optimiser=optimiser, clip_norm=config.gradient_clip, clip_value=config.gradient_clip_value
        )
        check_trainable(network)
        self.data = prepare(network, batches, loss.name)
        self.groups = math.ceil(len(self.data) / config.accumulation_steps)
        self.scheduler, spans_run = read_scheduler(
            config.scheduler, config.learning_rate, config.epochs * self.groups, "config.Scheduler"
        )
        places = "config.ValidationInputs", "config.ValidationTargets"
        self.validation = samples(network, config.validation_inputs, config.validation_targets, places)
        for i, row in enumerate(self.validation[0]):
            check_input(network, row, f"config.ValidationInputs[{i}]")
        # from here on the network changes; everything above only checks
        self.start = Start(network, "train")
        network.training_state.use(network.ops, optimiser, flat(network.params))
        if spans_run:
            network.training_state.scheduler = None
        network.training_state.follow(self.scheduler)
        if spans_run:
            network.training_state.schedule_step = config.initial_epoch * self.groups
        self.watch = Watch(config.early_stopping, network) if config.early_stopping else None
        self.weights = flat(network.params)
        self.states = EpochStates(network)
        self.losses: list[float] = []
        self.rates: list[float] = []
        self.metrics: DeviationMetrics | None = None
        self.step, self.lr, self.norm, self.stop_reason = 0, config.learning_rate, 0.0, ""
        self.device: DeviceRun | None = None
        self._preference, self._ahead = preference or ("webgpu" if config.use_gpu else None), ahead
        self._observed = network.observed
        self._choose()
        self.started = time.perf_counter_ns()

    def _choose(self) -> None:
        """Choose the device; the network keeps the choice with its reason."""
        cfg = self.config
        if cfg.accumulation_steps > 1:
            self.network.computed_on = Choice(NUMPY, "gradient accumulation")
            return
        self.network.computed_on, updates = choose_updates(self.network, self.plan, self.data, self._preference)
        if updates is not None:
            watched = cfg.callbacks or cfg.evaluate_every_n or cfg.checkpoint_every_n or cfg.early_stopping
            printed = cfg.verbose or cfg.print_every_batch
            changeable = not self._ahead or bool(cfg.callbacks or cfg.on_checkpoint)
            self.device = DeviceRun(updates, ahead=self._ahead and not watched and not printed, changeable=changeable)

    def follow_observers(self) -> None:
        """Observers need per-layer events, which only NumPy emits: continue there while any is attached."""
        if self._observed != self.network.observed:
            self._observed = self.network.observed
            self.free()
            self._choose()

    def updates(self, epoch: int) -> Generator[TrainingProgress | Waiting | None, None, None]:
        """All updates of an epoch; yields after each except the last."""
        return self._updates_on_device(epoch) if self.device else self._updates_on_numpy(epoch)

    def _updates_on_device(self, epoch: int) -> Generator[TrainingProgress | Waiting | None, None, None]:
        cfg, state, run = self.config, self.network.training_state, self.device
        assert run is not None
        count, order = len(self.data), self._order(state.epoch)
        run.updates.begin_epoch(state.epoch * count)
        total, done = 0.0, 0
        while done < count:
            rows = order[done : done + run.slice]
            losses, norms = yield from run.advance(rows, self._rates(len(rows)), state)
            if cfg.print_every_batch:
                self._print_batches(epoch, done, losses.tolist())
            done += len(rows)
            total += float(losses.sum())
            self.norm, self.step = float(norms[-1]), self.step + len(rows)
            self.lr = self.scheduler.lr(state.schedule_step - 1)
            if done < count:
                yield self._progress(epoch, float(losses.mean()), epoch_done=False)
        self.losses.append(total / count)
        self.rates.append(self.lr)
        state.epoch += 1

    def _order(self, epoch: int) -> Sequence[int]:
        count = len(self.data)
        return epoch_order(count, self.config.seed, epoch) if self.config.shuffle else range(count)

    def _rates(self, count: int) -> list[float]:
        """Learning rates of the next updates."""
        first = self.network.training_state.schedule_step
        return [self.scheduler.lr(first + i) for i in range(count)]

    def epochs_at_once(self, epoch: int) -> int:
        """How many whole epochs the device should run at once after `epoch`; 0 for one at a time."""
        if self.device is None or not self.device.ahead:
            return 0
        return min(self.device.slice // len(self.data), self.config.epochs - epoch)

    def epochs(self, epoch: int, several: int) -> Generator[Waiting, None, TrainingProgress]:
        """Run that many epochs after `epoch` and report them together."""
        run, state, count = self.device, self.network.training_state, len(self.data)
        assert run is not None
        rows = [i for e in range(several) for i in self._order(state.epoch + e)]
        run.updates.begin_epoch(state.epoch * count)
        rates = self._rates(len(rows))
        losses, norms = yield from run.advance(rows, rates, state)
        means = losses.reshape(several, count).mean(axis=1).tolist()
        state.epoch += several
        self.step += len(rows)
        self.norm, self.lr = float(norms[-1]), rates[-1]
        self.losses += means
        self.rates += rates[count - 1 :: count]
        for i, loss in enumerate(means, epoch + 1):
            self.start.check_loss(loss, f"epoch {i}")
        return self._progress(epoch + several, means[-1], losses=tuple(means))

    def last_gradients(self) -> Generator[Waiting, None, None]:
        """Bring the gradients of the last update into `network.gradients`."""
        if self.device is not None:
            self.network.gradient_trees = yield from self.device.updates.gradients()

    def free(self) -> None:
        """Free the device's memory."""
        if self.device is not None:
            self.device.updates.free()
            self.device = None

    def _updates_on_numpy(self, epoch: int) -> Generator[TrainingProgress | None, None, None]:
        """One update after another; where the caller allows it several a slice, for what is done once a slice."""
        state, size = self.network.training_state, self.config.accumulation_steps
        order = self._order(state.epoch)
        self.states.begin_epoch(state.epoch, len(self.data))
        total, done, losses = 0.0, 0, list[float]()
        while done < self.groups:
            until = time.perf_counter() + SLICE_SECONDS if self._ahead else 0.0
            with np.errstate(all="ignore"):  # a training that diverges is stopped at the end of the epoch
                while True:
                    first = done * size
                    done += 1
                    losses = self._update([self.data[i] for i in order[first : first + size]], done == self.groups)
                    total += sum(losses)
                    if self.config.print_every_batch:
                        self._print_batches(epoch, first, losses)
                    if done == self.groups or time.perf_counter() >= until:
                        break
            if done < self.groups:
                yield self._progress(epoch, sum(losses) / len(losses), epoch_done=False)
        self.losses.append(total / len(self.data))
        self.rates.append(self.lr)
        state.epoch += 1

    def _update(self, batches: Sequence[tuple[Array, Array]], last: bool) -> list[float]:
        """One update on NumPy, the last of its epoch or not → the batches' losses before it."""
        network, state = self.network, self.network.training_state
        self.lr = self.scheduler.lr(state.schedule_step)
        losses, norm, network.gradient_trees = train_step(
            network,
            network.ops,
            self.plan,
            network.params,
            self.weights,
            state.slots,
            batches,
            lr=self.lr,
            step=state.step + 1,
            states=self.states,
            want_norm=last,
        )
        state.step += 1
        state.schedule_step += 1
        self.step += 1
        if norm is not None:
            self.norm = float(norm)
        return [float(loss) for loss in losses]

    def finish_epoch(self, epoch: int) -> TrainingProgress:
        """The work between epochs: checks, validation, early stopping, a checkpoint."""
        cfg, loss = self.config, self.losses[-1]
        self.start.check_loss(loss, f"epoch {epoch}")
        if cfg.verbose:
            print(f"Epoch {epoch}/{cfg.epochs} - Avg Loss: {loss:.6f}")
        metrics = None
        if cfg.evaluate_every_n and self.validation[0] and epoch % cfg.evaluate_every_n == 0:
            if cfg.verbose:
                print("  Running validation evaluation...")
            self.metrics = metrics = m = evaluate(self.network, *self.validation)
            if cfg.verbose:
                print(
                    f"  Validation Score: {m.score:.1f}/100, Avg Deviation: {m.average_deviation:.1f}%, "
                    f"Failures: {m.failures}/{m.total_samples}"
                )
        if self.watch is not None and self.watch.stops(epoch, loss, metrics):
            self.stop_reason = "early stopping"
        progress = self._progress(epoch, loss, validation_score=None if metrics is None else metrics.score)
        every = cfg.checkpoint_every_n or bool(cfg.checkpoint_path or cfg.on_checkpoint)
        return self._checkpoint(progress) if every and epoch % every == 0 else progress

    def measure(self) -> Generator[Waiting, None, None]:
        """Where early stopping may restore this epoch, its loss is that of the network after it."""
        if self.watch is not None and self.watch.measures:
            self.losses[-1] = yield from self._loss_now()

    def _loss_now(self) -> Generator[Waiting, None, float]:
        """The mean of the batches' losses in evaluation passes with the weights as they are."""
        if self.device is not None:
            return (yield from self.device.updates.measure())
        network, states = self.network, EpochStates(self.network)
        states.begin_epoch(network.training_state.epoch, len(self.data))
        with np.errstate(all="ignore"):
            losses = [
                float(evaluation_loss(network, network.ops, self.plan.loss, network.params, x, t, states.of(len(x))))
                for x, t in self.data
            ]
        return sum(losses) / len(losses)

    def result(self) -> Generator[Waiting, None, TrainingResult]:
        """The measurements; restores the network's best epoch if early stopping says so."""
        elapsed = time.perf_counter_ns() - self.started
        best_loss = min(self.losses)
        best = self.config.initial_epoch + 1 + self.losses.index(best_loss)
        if self.watch is not None:
            best = self.watch.best_epoch or best
            if self.watch.restore():
                if self.metrics is not None:
                    self.metrics = self.watch.best_metrics or evaluate(self.network, *self.validation)
                best_loss = self.watch.best if self.watch.measures else (yield from self._loss_now())
        self.start.check_weights(f"epoch {self.config.initial_epoch + len(self.losses)}")
        samples_seen = sum(x.shape[0] for x, _ in self.data) * len(self.losses)
        return TrainingResult(
            final_loss=self.losses[-1],
            best_loss=best_loss,
            total_time=elapsed,
            avg_throughput=samples_seen / max(elapsed, 1) * 1e9,
            loss_history=self.losses,
            eval_metrics=self.metrics,
            lr_history=self.rates,
            steps=self.step,
            best_epoch=best,
            stop_reason=self.stop_reason,
        )

    def _progress(self, epoch: int, loss: float, **more: Any) -> TrainingProgress:
        state = {"step": self.step, "learning_rate": self.lr, "gradient_norm": self.norm}
        return TrainingProgress(epoch=epoch, epochs=self.config.epochs, loss=loss, **state, **more)

    def _checkpoint(self, progress: TrainingProgress) -> TrainingProgress:
        """Save the network with its training state to the file, the callback, or the event."""
        cfg = self.config
        self.start.check_weights(f"epoch {progress.epoch}")
        text = self.network.checkpoint()
        if cfg.checkpoint_path:
            replace_file(cfg.checkpoint_path.replace("{epoch}", str(progress.epoch)), text.encode())
        if cfg.on_checkpoint is not None:
            cfg.on_checkpoint(text, progress)
        if cfg.checkpoint_path or cfg.on_checkpoint:
            return progress
        values = {name: getattr(progress, name) for name in progress.__dataclass_fields__}
        return TrainingProgress(**{**values, "checkpoint": text})

    def _print_batches(self, epoch: int, first: int, losses: list[float]) -> None:
        for i, loss in enumerate(losses, first + 1):
            if i % self.config.print_every_batch == 0:
                print(f"Epoch {epoch}/{self.config.epochs} - Batch {i}/{len(self.data)} - Loss: {loss:.6f}")
