"""Means and deviations of runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """Of `count` numbers: the mean, and the sample standard deviation Σ(x − mean)²/(count − 1), 0 for one number."""

    count: int
    mean: float
    deviation: float
    smallest: float
    largest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        """NaN throughout without values."""
        n = len(values)
        if not n:
            return cls(0, math.nan, math.nan, math.nan, math.nan)
        mean = math.fsum(values) / n
        spread = math.fsum((v - mean) ** 2 for v in values)
        return cls(n, mean, math.sqrt(spread / (n - 1)) if n > 1 else 0.0, min(values), max(values))

    def __str__(self) -> str:
        return f"{self.mean:.1f} ± {self.deviation:.1f}" if self.count > 1 else f"{self.mean:.1f}"


def paired(a: Sequence[float], b: Sequence[float]) -> Summary:
    """Of a − b, run by run: the runs of two methods share their seeds, so that world and first weights cancel out."""
    return Summary.of([x - y for x, y in zip(a, b, strict=True)])
