"""What work costs, judged alike on a quick machine and on a slow one that is busy with something else.

A limit in seconds is meant for the machine on which it was set. Processor time leaves out what other programs take, a
yardstick measured beside the work says how quick the machine is just then, and one run of several within the limit is
enough: what is slow by nature is slow each time.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
YARDSTICK = 0.008
"""Seconds that `_yardstick` takes where the limits were set."""
TRIES = 4


def check_cost(limit: float, work: Callable[[], T]) -> T:
    """What `work` returns; fails if it takes more than `limit` seconds of processor time in each of several runs."""
    measured: list[float] = []
    for _ in range(TRIES):
        result, seconds = timed(work)
        if seconds < limit or seconds * YARDSTICK < limit * _yardstick():
            return result
        measured.append(seconds)
    raise AssertionError(f"took {', '.join(f'{s:.2f}' for s in measured)} s of processor time, more than {limit} s")


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """What `work` returns and its processor seconds, without a search for garbage among what other tests have left."""
    gc.disable()
    try:
        start = time.process_time()
        return work(), time.process_time() - start
    finally:
        gc.enable()


def _yardstick() -> float:
    """Processor seconds of a fixed piece of work, much like a tokenizer's or a parser's."""
    return timed(_count)[1]


def _count() -> None:
    counts: dict[str, int] = {}
    for number in range(60_000):
        key = str(number % 997)
        counts[key] = counts.get(key, 0) + len(key)
