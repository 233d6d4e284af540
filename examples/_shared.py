"""Shared by the examples: the two-halves task, printing, and accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loom_py import Network, TrainingResult

Batch = dict[str, Any]


def two_halves(samples: int, size: int, seed: int) -> tuple[list[Batch], list[int]]:
    """Class 0: the first half of the values is high (0.7 … 1) and the second low (0 … 0.3); class 1: the reverse."""
    rng = np.random.default_rng(seed)
    batches, classes = [], []
    for i in range(samples):
        high, low = rng.uniform(0.7, 1.0, size // 2), rng.uniform(0.0, 0.3, size // 2)
        x = np.concatenate([high, low] if i % 2 == 0 else [low, high])
        batches.append({"Input": x.tolist(), "Target": [1.0, 0.0] if i % 2 == 0 else [0.0, 1.0]})
        classes.append(i % 2)
    return batches, classes


def accuracy(network: Network, inputs: Sequence[Any], classes: Sequence[int]) -> float:
    """Share of inputs whose largest output is the right one."""
    right = [int(np.argmax(network.forward(x))) == c for x, c in zip(inputs, classes, strict=True)]
    return sum(right) / len(right)


def reduction(result: TrainingResult) -> float:
    """By how many percent the loss fell."""
    return 100 * (1 - result.final_loss / result.loss_history[0])


def report(title: str, **figures: Any) -> dict[str, Any]:
    """Print and return an example's figures."""
    print(title)
    for name, value in figures.items():
        shown = f"{value:.6g}" if isinstance(value, float) else value
        print(f"  {name.replace('_', ' ')}: {shown}")
    return figures


def relative(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Largest absolute difference."""
    return float(np.abs(a - b).max())
