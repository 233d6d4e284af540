"""From rounds to figures: medians, ratios of what ran side by side, and the share of the roofline."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .cases import Work


@dataclass(frozen=True)
class Figures:
    """Milliseconds of one row of one contestant over all rounds."""

    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, times: Sequence[float]) -> Figures:
        """Raises `ValueError` for invalid times."""
        if not times or min(times) <= 0:
            raise ValueError(f"no times: {list(times)}")
        return cls(statistics.median(times), min(times), max(times), len(times))

    def to_json(self) -> dict[str, Any]:
        return {"median": self.median, "min": self.low, "max": self.high, "rounds": self.rounds}


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """How many times faster `ours` is: the median over rounds, so that a slow minute counts on both sides."""
    if len(theirs) != len(ours) or not ours:
        raise ValueError(f"{len(theirs)} rounds against {len(ours)}")
    return statistics.median(t / o for t, o in zip(theirs, ours, strict=True))


def limit(work: Work, machine: dict[str, float]) -> tuple[float, str]:
    """The least milliseconds that the machine needs, and what limits it (Williams et al. 2009, "Roofline").

    `machine` holds bytes and operations per second: `read`, `madd` and `dot`, each with ` plain` and ` relaxed`.
    """

    def best(kernel: str) -> float:
        return max(machine[f"{kernel} plain"], machine[f"{kernel} relaxed"])

    memory = work.bytes / best("read") * 1e3
    arithmetic = work.operations / best("dot" if work.dot else "madd") * 1e3
    return max((memory, "memory"), (arithmetic, "int8 products" if work.dot else "multiply-adds"))
