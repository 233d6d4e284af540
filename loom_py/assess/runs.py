"""One run: one network trained by one method from one seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import InputError
from ..observe.adaptation import MILLISECOND, AdaptationTracker
from ..progress import to_end
from ..training.data import epoch_order
from .best import Best
from .datasets import SETS, split
from .learner import Context, Learner, Settings
from .methods import METHODS, learner
from .networks import build
from .worlds import AVOID, CHASE, CLASSES, ChaseWorld, Samples, bands, quadrants

Array = np.ndarray[Any, Any]
SECOND = 1000 * MILLISECOND
CLOCKS = ("ticks", "wall")
EVALUATIONS = 40
"""Number of accuracy measurements during a training run."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything a run depends on, which identifies it: equal jobs on the tick clock give equal records.

    **Arguments:**

    - `task`: `"chase"`, `"bands"`, `"quadrants"`, or one of `datasets.SETS`.
    - `group` and `model` name the network (`networks.build`).
    - `seconds`: length of the run. With `clock="ticks"` a second is `rate` ticks on every machine; with `"wall"` it
      is a second of wall-clock time. For `datasets.SETS` a second is an epoch of `rate` samples.
    - `changes`: when the task switches to avoiding and back, as fractions of the run.
    - `settings`: for the methods; `target`: accuracy (percent); the first tick that reaches it is recorded.
    """

    task: str
    group: str
    model: str
    method: str
    seed: int
    seconds: float
    rate: int = 1000
    clock: str = "ticks"
    changes: tuple[float, float] = (1 / 3, 2 / 3)
    settings: tuple[tuple[str, float], ...] = ()
    target: float = 90.0

    @property
    def key(self) -> tuple[str, ...]:
        return self.task, self.group, self.model, self.method, str(self.seed)


class Clock:
    """Nanoseconds since the start, from counted ticks or from the machine's clock."""

    def __init__(self, kind: str, rate: int) -> None:
        if kind not in CLOCKS:
            raise InputError(f"unknown clock {kind!r}", where="clock", remedy=f"Known: {', '.join(CLOCKS)}.")
        self.ticks, self._rate, self._wall = 0, rate, kind == "wall"
        self._start = time.monotonic_ns()

    def __call__(self) -> int:
        return time.monotonic_ns() - self._start if self._wall else self.ticks * SECOND // self._rate


def run(job: Job) -> dict[str, Any]:
    """The record of one run, plain JSON values; accuracies in percent."""
    with np.errstate(all="ignore"):  # a method may diverge; the record reports it
        return RUNNERS[job.task](job)


def _begin(job: Job, outputs: int) -> tuple[Clock, Context, Learner]:
    clock = Clock(job.clock, job.rate)
    network = build(job.group, job.model, outputs, job.seed)
    settings = replace(Settings(), **dict(job.settings))
    rng = np.random.default_rng([job.seed, 2])
    context = Context(
        network=network,
        settings=settings,
        rng=rng,
        seed=job.seed,
        clock=clock,
        length=max(1, round(job.seconds * SECOND)),
        second=job.rate,
    )
    return clock, context, learner(job.method, context)


# --- chase and avoid (tests 17 to 19) ---
def chase(job: Job) -> dict[str, Any]:
    """Act, receive the best action, learn; the task switches to avoiding and back without notice."""
    return to_end(chase_steps(job))


def chase_steps(job: Job) -> Generator[tuple[ChaseWorld, AdaptationTracker], None, dict[str, Any]]:
    """`chase` tick by tick: yields the world and the tracker after each."""
    world = ChaseWorld(np.random.default_rng([job.seed, 3]))
    clock, context, agent = _begin(job, 4)
    size = context.network.input_size or 0
    total = round(job.seconds * SECOND)
    tracker = AdaptationTracker(1000, 1000 * job.seconds, clock)
    tracker.set_model_info(job.model, job.method)
    tracker.schedule_task_change(1000 * job.seconds * job.changes[0], AVOID, "avoid")
    tracker.schedule_task_change(1000 * job.seconds * job.changes[1], CHASE, "chase")
    tracker.start("chase", CHASE)
    right, seen, finite = [0, 0], [0, 0], True
    eye = np.eye(4, dtype=np.float32)
    while clock() < total:
        world.task = tracker.get_current_task()
        x = world.observation(size)
        y = agent.act(x)
        finite = finite and bool(np.isfinite(y).all())
        action, best = int(y.argmax()), world.best_action()
        tracker.record_output(action == best)
        seen[world.task] += 1
        right[world.task] += action == best
        world.move(action)
        if finite:
            agent.learn(x, eye[best], y)
        world.drift()
        clock.ticks += 1
        yield world, tracker
    result = tracker.finalize()
    changes = [
        {"before": c.pre_accuracy, "after": c.post_accuracy, "recovery": c.recovery_windows}
        for c in result.task_changes
    ]
    return {
        "accuracy": result.avg_accuracy,
        "chase": _percent(right[CHASE], seen[CHASE]),
        "avoid": _percent(right[AVOID], seen[AVOID]),
        "windows": [w.accuracy for w in result.windows],
        "changes": changes,
        "outputs": sum(seen),
        "updates": context.updates,
        "diverged": not finite,
    }


# --- labelled vectors (tests 13 to 16) ---
HOLD = 20
"""Ticks for which a sample stays at the input of a stepped network."""


def training(job: Job, data: Samples, held_out: Samples) -> dict[str, Any]:
    """Train on labelled samples, one per tick; measured on them, as in the original, and on fresh ones."""
    clock, context, pupil = _begin(job, CLASSES)
    stream = _in_order(data, job.seed) if METHODS[job.method].in_order else _held(data, job.seed)
    targets = data.one_hot(CLASSES)
    total = round(job.seconds * SECOND)
    pause, due, finite = total // EVALUATIONS, total // EVALUATIONS, True
    reached: float | None = None
    while clock() < total:
        i = stream(clock.ticks)
        y = pupil.act(data.inputs[i])
        finite = finite and bool(np.isfinite(y).all())
        if finite:
            pupil.learn(data.inputs[i], targets[i], y)
        clock.ticks += 1
        if reached is None and clock() >= due:
            due = clock() + pause
            if _accuracy(pupil, data) >= job.target:
                reached = clock() / SECOND
    return {
        "accuracy": _accuracy(pupil, data),
        "held_out": _accuracy(pupil, held_out),
        "reached": reached,
        "ticks": clock.ticks,
        "updates": context.updates,
        "diverged": not finite,
    }


def _bands(job: Job) -> dict[str, Any]:
    size = build(job.group, job.model, CLASSES, 0).input_size or 0
    rng = np.random.default_rng([job.seed, 4])
    return training(job, bands(size, 4, rng), bands(size, 100, rng))


def _quadrants(job: Job) -> dict[str, Any]:
    size = build(job.group, job.model, CLASSES, 0).input_size or 0
    rng = np.random.default_rng([job.seed, 4])
    return training(job, quadrants(size, 500, 0.1, rng), quadrants(size, 1000, 0.0, rng))


# --- labelled vectors by epochs (tests 1 to 12) ---
def epochs(job: Job) -> dict[str, Any]:
    """Train on every sample once per epoch, in the same order by every method, and keep the best network.

    The original keeps the best for tweening alone; here every method is treated alike. It is chosen by `Split.choice`
    among `EVALUATIONS` of the run. Accuracy is measured on that set too, as in the original, and on those held out.
    """
    sets = split(job.task, job.rate, np.random.default_rng([job.seed, 4]))
    clock, context, pupil = _begin(job, sets.outputs)
    stream, targets = _in_order(sets.train, job.seed), sets.train.one_hot(sets.outputs)
    total = round(job.seconds * SECOND)
    pause, due, finite = total // EVALUATIONS, total // EVALUATIONS, True
    best, reached = Best(context.network), None
    best.offer(_accuracy(pupil, sets.choice))
    while clock() < total:
        i = stream(clock.ticks)
        y = pupil.act(sets.train.inputs[i])
        finite = finite and bool(np.isfinite(y).all())
        if not finite:
            break
        pupil.learn(sets.train.inputs[i], targets[i], y)
        clock.ticks += 1
        if clock() >= due or clock() >= total:
            due = clock() + pause
            accuracy = _accuracy(pupil, sets.choice)
            best.offer(accuracy)
            if reached is None and accuracy >= job.target:
                reached = clock() / SECOND
    best.restore()
    return {
        "accuracy": _accuracy(pupil, sets.choice),
        "held_out": _accuracy(pupil, sets.held_out),
        "reached": reached,
        "ticks": clock.ticks,
        "updates": context.updates,
        "layers": sum(layer.kind != "residual" for layer in context.network.layers),  # pruning leaves identities
        "diverged": not finite,
    }


RUNNERS: dict[str, Callable[[Job], dict[str, Any]]] = {
    "chase": chase,
    "bands": _bands,
    "quadrants": _quadrants,
    **dict.fromkeys(SETS, epochs),
}


def _in_order(data: Samples, seed: int) -> Callable[[int], int]:
    """Every sample once per epoch, reshuffled each epoch."""
    count, orders = len(data.classes), {}

    def pick(tick: int) -> int:
        epoch = tick // count
        if epoch not in orders:
            orders.clear()
            orders[epoch] = epoch_order(count, seed, epoch)
        return orders[epoch][tick % count]

    return pick


def _held(data: Samples, seed: int) -> Callable[[int], int]:
    """A random sample, redrawn every `HOLD` ticks."""
    rng, chosen = np.random.default_rng([seed, 5]), [0]

    def pick(tick: int) -> int:
        if tick % HOLD == 0:
            chosen[0] = int(rng.integers(len(data.classes)))
        return chosen[0]

    return pick


def _accuracy(pupil: Learner, data: Samples) -> float:
    return _percent(int((pupil.predict(data.inputs) == data.classes).sum()), len(data.classes))


def _percent(right: int, seen: int) -> float:
    return 100 * right / seen if seen else 0.0
