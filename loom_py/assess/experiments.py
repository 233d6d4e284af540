"""The experiments: the original's tests, one table row each; those of 13 to 19 stand here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InputError
from ..values import number, whole
from .epoch_tests import EPOCH_TESTS
from .experiment import Experiment
from .methods import METHODS
from .networks import DEPTHS, FAMILIES, MIXTURE, build
from .runs import CLOCKS, Job

BASELINES = ("TickBP", "Random", "Constant")


DEEP = tuple(f"{family}-{depth}L" for family in FAMILIES for depth in DEPTHS)
_CHASE = (
    *("NormalBP", "StepBP", "Tween", "TweenChain", "StepTweenChain"),
    *("StepBPTrue", "TickTween"),
    *BASELINES,
)
_STEPPED = ("StepBP", "StepTween", "StepTweenChain", "StepBPTrue", "EqualBP", *BASELINES)
_ALL = (
    *("NormalBP", "StepBP", "Tween", "TweenChain", "StepTween", "StepTweenChain", "BatchTween", "StepBatchTween"),
    *("StepBPTrue", "EqualBP", *BASELINES),
)
_DECAY = (("rate", 0.02), ("decay", 0.9999), ("floor", 0.001), ("delayed", 1), ("collect", 20))

EXPERIMENTS: dict[int, Experiment] = {
    e.number: e
    for e in (
        *EPOCH_TESTS,
        Experiment(
            number=13,
            title="Stepped backpropagation and stepped tweening, small networks",
            task="bands",
            group="small",
            models=MIXTURE,
            methods=_STEPPED,
            seconds=2,
            rate=5000,
            settings=(*_DECAY, ("tween_rate", 0.1), ("tween_every", 10)),
        ),
        Experiment(
            number=14,
            title="The same, larger networks",
            task="bands",
            group="large",
            models=MIXTURE,
            methods=_STEPPED,
            seconds=10,
            rate=1000,
            settings=(*_DECAY, ("tween_rate", 0.15), ("tween_every", 5)),
        ),
        Experiment(
            number=15,
            title="The same, twenty layers",
            task="bands",
            group="twenty",
            models=MIXTURE,
            methods=_STEPPED,
            seconds=10,
            rate=500,
            settings=(*_DECAY, ("tween_rate", 0.15), ("tween_every", 5)),
            target=70.0,
        ),
        Experiment(
            number=16,
            title="Seven ways of training on noisy quadrants",
            task="quadrants",
            group="depth",
            models=DEEP,
            methods=_ALL,
            seconds=10,
            rate=2000,
            settings=(*_DECAY, ("clip", 1.0), ("tween_rate", 0.15), ("tween_every", 5), ("batch", 32)),
        ),
        Experiment(
            number=17,
            title="A task that changes on the way: chase, avoid, chase",
            task="chase",
            group="agent",
            models=("Dense-6L",),
            methods=_CHASE,
            seconds=15,
            rate=500,
        ),
        Experiment(
            number=18,
            title="The same by architecture: before and after each change",
            task="chase",
            group="depth",
            models=DEEP,
            methods=_CHASE,
            seconds=10,
            rate=500,
            shares=19,
        ),
        Experiment(
            number=19,
            title="The same by architecture: statistics over many runs",
            task="chase",
            group="depth",
            models=DEEP,
            methods=_CHASE,
            seconds=10,
            rate=500,
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which experiments to run, and how.

    **Arguments:**

    - `only`: experiment numbers; `models`, `methods`: restrict to these names. Empty means all.
    - `runs`, `seed`: each (model, method) cell runs with the seeds `seed` … `seed + runs − 1`.
    - `scale`: factor applied to every duration.
    - `clock`: `"ticks"` or `"wall"`, see `Job`; experiments by epochs count ticks in either case.
    - `rate`: ticks per second, for experiments by epochs the number of samples; 0 for the experiment's own.
    """

    only: tuple[int, ...] = ()
    models: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    runs: int = 3
    seed: int = 0
    scale: float = 1.0
    clock: str = "ticks"
    rate: int = 0

    def __post_init__(self) -> None:
        for experiment in self.only:
            if experiment not in EXPERIMENTS:
                _unknown(str(experiment), "only", "experiment", [str(n) for n in EXPERIMENTS])
        for name in self.methods:
            if name not in METHODS:
                _unknown(name, "methods", "method", METHODS)
        whole(self.runs, "runs", 1, 100_000)
        whole(self.seed, "seed", maximum=2**31 - 1)
        number(self.scale, "scale", above=0, maximum=1000)
        if self.clock not in CLOCKS:
            _unknown(self.clock, "clock", "clock", CLOCKS)
        whole(self.rate, "rate", maximum=10**6)

    def to_json(self) -> dict[str, Any]:
        record: dict[str, Any] = {name: list(getattr(self, name)) for name in ("only", "models", "methods")}
        return record | {name: getattr(self, name) for name in ("runs", "seed", "scale", "clock", "rate")}


def _unknown(name: str, where: str, what: str, choices: Sequence[str] | dict[str, Any]) -> None:
    raise InputError(f"unknown {what} {name!r}", where=where, remedy=f"Known: {', '.join(choices)}.")


def chosen(options: Options) -> list[Experiment]:
    """The selected experiments, restricted to the selected models and methods; empty ones are dropped.

    Any model that the experiment's group can build may be named, such as `Dense-15L`.
    """
    selected: list[Experiment] = []
    used: set[str] = set()
    for e in EXPERIMENTS.values():
        if options.only and e.number not in options.only:
            continue
        models = tuple(m for m in options.models if _builds(e, m)) if options.models else e.models
        methods = tuple(m for m in e.methods if m in options.methods) if options.methods else e.methods
        used.update(models if options.models else ())
        if models and methods:
            selected.append(replace(e, models=models, methods=methods))
    for name in options.models:
        if name not in used:
            names = sorted({m for e in EXPERIMENTS.values() for m in e.models})
            _unknown(name, "models", "network", names)
    if not selected:
        raise InputError(
            "the selection leaves nothing to run", where="methods", remedy="Choose other methods or experiments."
        )
    return selected


def jobs(experiment: Experiment, options: Options) -> list[Job]:
    """All jobs: models × methods × seeds."""
    return [
        Job(
            task=experiment.task,
            group=experiment.group,
            model=model,
            method=method,
            seed=seed,
            seconds=experiment.seconds * options.scale,
            rate=options.rate or experiment.rate,
            clock="ticks" if experiment.by_epochs else options.clock,
            settings=experiment.settings,
            target=experiment.target,
        )
        for model in experiment.models
        for method in experiment.methods
        for seed in range(options.seed, options.seed + options.runs)
    ]


def _builds(experiment: Experiment, model: str) -> bool:
    if model in experiment.models:
        return True
    try:
        build(experiment.group, model, 1, 0)
    except InputError:
        return False
    return True
