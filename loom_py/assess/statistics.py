"""Means and deviations of runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """Mean of `count` numbers, and their sample standard deviation Σ(x − mean)²/(count − 1), 0 for one number."""

    count: int
    mean: float
    deviation: float
    smallest: float
    largest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        """All NaN for no values."""
        n = len(values)
        if not n:
            return cls(0, math.nan, math.nan, math.nan, math.nan)
        mean = math.fsum(values) / n
        spread = math.fsum((v - mean) ** 2 for v in values)
        return cls(n, mean, math.sqrt(spread / (n - 1)) if n > 1 else 0.0, min(values), max(values))

    def __str__(self) -> str:
        return f"{self.mean:.1f} ± {self.deviation:.1f}" if self.count > 1 else f"{self.mean:.1f}"


def paired(a: Sequence[float], b: Sequence[float]) -> Summary:
    """Statistics of a − b run by run: both methods use the same seeds, so world and initial weights cancel out."""
    return Summary.of([x - y for x, y in zip(a, b, strict=True)])
