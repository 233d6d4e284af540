"""One chase experiment that can be observed and driven from JavaScript."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import numpy as np

from ..errors import InputError
from ..marks import in_steps, shared
from ..progress import to_end
from ..schema.fields import suggest
from ..values import whole
from .methods import METHODS
from .networks import FAMILIES, build
from .runs import Job, chase_steps

TICKS_A_SECOND = 500
EVERY = 5
"""Ticks between two frames."""


def _watched(self: Any) -> Generator[dict[str, Any] | None, None, dict[str, Any]]:
    job, start, steps, tick = self._job, time.perf_counter(), chase_steps(self._job), 0
    with np.errstate(all="ignore"):  # a method may diverge; the record reports it
        while True:
            try:
                world, tracker = next(steps)
            except StopIteration as stop:
                return stop.value | {"ticks_per_second": tick / max(time.perf_counter() - start, 1e-9)}
            tick += 1
            if tick % EVERY:
                yield None
                continue
            windows = tracker.get_windows()
            done = min(tick * len(windows) // round(job.seconds * job.rate), len(windows) - 1)
            yield {
                "tick": tick,
                "task": world.task,
                "agent": world.agent.tolist(),
                "target": world.target.tolist(),
                "window": done,
                "accuracy": windows[done].accuracy,
                "windows": [w.accuracy for w in windows[:done]],
            }


@shared
class ChaseRun:
    """Train a network of `family` and `depth` by `method` to chase, flee and chase again, over `ticks` decisions.

    The task changes after one third and two thirds of the run. 500 decisions count as a second, so methods that
    collect samples first learn every 25 decisions. Equal arguments give equal runs.
    """

    def __init__(self, family: str, depth: int, method: str, ticks: int = 6000, seed: int = 0) -> None:
        for name, value, choices in (("family", family, FAMILIES), ("method", method, METHODS)):
            if value not in choices:
                raise InputError(f"unknown {name} {value!r}", where=name, remedy=suggest(value, choices))
        whole(ticks, "ticks", 3, 10_000_000)
        model = f"{family}-{depth}L"
        build("depth", model, 4, seed)  # raises now rather than at the first tick
        seconds = ticks / TICKS_A_SECOND
        self._job = Job(
            task="chase", group="depth", model=model, method=method, seed=seed, seconds=seconds, rate=TICKS_A_SECOND
        )

    @in_steps(_watched)
    def play(self) -> dict[str, Any]:
        """The record of the run: accuracy (percent) overall and by window, recovery from each change, ticks per second.

        Every fifth tick it yields the tick, task, positions of agent and target, and accuracy by window so far.
        """
        return to_end(_watched(self))
