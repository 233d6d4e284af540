"""How well a layer's output agrees with its target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..nn.layer import Array


def link_budgets(outputs: Sequence[Array], targets: Sequence[Array]) -> tuple[Array, Array]:
    """(cos(output, target) + 1)/2 of each layer, and the mean squared difference, over the shorter length.

    The budget is ½ where one of them is shorter than 0.001 in squared length.
    """
    budgets, gaps = np.full(len(outputs), 0.5), np.zeros(len(outputs))
    for i, (y, t) in enumerate(zip(outputs, targets, strict=True)):
        n = min(y.size, t.size)
        a, b = y[:n].astype(np.float64), t[:n].astype(np.float64)
        lengths = float(a @ a), float(b @ b)
        if min(lengths) > 0.001:
            budgets[i] = (float(a @ b) / (lengths[0] * lengths[1]) ** 0.5 + 1) / 2
        gaps[i] = ((a - b) ** 2).mean() if n else 0.0
    return budgets, gaps


@dataclass
class ExplosionGuard:
    """A factor of the rate, 0.01 … 1, that falls while the mean gap grows.

    The first ten gaps set the baseline. After that, a gap above 1.5 times the last one or 10 times the baseline
    multiplies the factor by 0.7, or by 0.5 after five in a row, or by 0.3 after ten; any other gap by 1.05.
    """

    rate: float = 1.0
    baseline: float = 0.0
    samples: int = 0
    previous: float = 0.0
    growth: float = 0.0
    count: int = 0

    def factor(self, gap: float) -> float:
        """Record one more mean gap → the factor."""
        if self.samples < 10:
            self.baseline = (self.baseline * self.samples + gap) / (self.samples + 1)
            self.samples += 1
            self.previous = gap
            return self.rate
        self.growth = gap / self.previous if self.previous > 0.0001 else 1.0
        if self.growth > 1.5 or (self.baseline > 0 and gap > 10 * self.baseline):
            self.count += 1
            self.rate = max(0.01, self.rate * (0.3 if self.count > 10 else 0.5 if self.count > 5 else 0.7))
        else:
            self.count = 0
            self.rate = min(1.0, self.rate * 1.05)
        self.previous = gap
        return self.rate
