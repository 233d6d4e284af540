"""The labelled vectors of the original's tests 1 to 12, drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .worlds import Samples

Rng = np.random.Generator
FRESH = 1000
"""Samples held out, where the original has none."""


@dataclass(frozen=True)
class Split:
    """Samples to train on, to choose the best network by, and held out; `outputs` classes."""

    train: Samples
    choice: Samples
    held_out: Samples
    outputs: int


def sums(count: int, rng: Rng) -> Samples:
    """Tests 1 to 3: x ~ U(0, 1), 8 values; class 1 if Σx ≥ 4."""
    x = rng.uniform(0, 1, (count, 8))
    return _samples(x, x.sum(axis=1) >= 4)


IRIS = {
    "setosa": ((5.006, 0.352), (3.428, 0.379), (1.462, 0.174), (0.246, 0.105)),
    "versicolor": ((5.936, 0.516), (2.770, 0.314), (4.260, 0.470), (1.326, 0.198)),
    "virginica": ((6.588, 0.636), (2.974, 0.322), (5.552, 0.552), (2.026, 0.275)),
}
"""Mean and standard deviation in cm of sepal length and width, petal length and width (Fisher 1936)."""
IRIS_RANGES = ((4.3, 7.9), (2.0, 4.4), (1.0, 6.9), (0.1, 2.5))


def iris(count: int, rng: Rng) -> Samples:
    """Test 4: as many of each species as the 150 flowers have, drawn from independent normals; not the flowers.

    Each value is scaled as the original's: 0 at the smallest value of the flowers, 1 at the largest.
    """
    classes = np.arange(count) % len(IRIS)
    table, (low, high) = np.array(list(IRIS.values())), np.array(IRIS_RANGES).T
    x = rng.normal(table[classes, :, 0], table[classes, :, 1])
    return _samples((x - low) / (high - low), classes)


def groups(count: int, rng: Rng) -> Samples:
    """Test 5: x ~ U(0, 1), four groups of 8; class Σ 2^g [group g sums to more than 4], g = 0, 1, 2.

    The original takes four groups and the class modulo 8, which leaves the fourth without influence.
    """
    x = rng.uniform(0, 1, (count, 32))
    high = x.reshape(count, 4, 8).sum(axis=2) > 4
    return _samples(x, high[:, :3] @ np.array([1, 2, 4]))


def remainders(count: int, rng: Rng) -> Samples:
    """Tests 6 and 7: x ~ U(0, 1), 16 values; class ⌊Σx⌋ mod 4."""
    x = rng.uniform(0, 1, (count, 16))
    return _samples(x, x.sum(axis=1).astype(int) % 4)


def spirals(count: int, rng: Rng) -> Samples:
    """Test 8: two spirals of radius r in 0 … 5 and angle 2.5 r, half a turn apart, ±0.05 on each axis.

    Six values: x/5, y/5, sin x, cos y, sin r, cos r.
    """
    classes = np.arange(count) % 2
    r = (np.arange(count) // 2) / max(1, (count + 1) // 2) * 5
    angle = 2.5 * r + np.pi * classes
    x, y = (r * f(angle) + rng.uniform(-0.05, 0.05, count) for f in (np.cos, np.sin))
    return _samples(np.stack([x / 5, y / 5, np.sin(x), np.cos(y), np.sin(r), np.cos(r)], axis=1), classes)


def moons(count: int, rng: Rng) -> Samples:
    """Test 9: two half circles, the second upside down and shifted by (1, ½), with N(0, 0.15) on each axis."""
    classes = np.arange(count) % 2
    angle = np.pi * (np.arange(count) // 2) / max(1, (count + 1) // 2)
    x = np.where(classes, 1 - np.cos(angle), np.cos(angle))
    y = np.where(classes, 0.5 - np.sin(angle), np.sin(angle))
    return _samples(np.stack([x, y], axis=1) + rng.normal(0, 0.15, (count, 2)), classes)


def quarters(count: int, rng: Rng) -> Samples:
    """Tests 10 to 12: x ~ U(−1, 1), 8 values; class 0, 1, 2, 3 for Σx above 1, above 0, above −1, and below."""
    x = rng.uniform(-1, 1, (count, 8))
    return _samples(x, 3 - np.searchsorted([-1, 0, 1], x.sum(axis=1)))


SETS: dict[str, tuple[Callable[[int, Rng], Samples], int]] = {
    "sums": (sums, 2),
    "iris": (iris, 3),
    "groups": (groups, 8),
    "remainders": (remainders, 4),
    "spirals": (spirals, 2),
    "moons": (moons, 2),
    "quarters": (quarters, 4),
}
"""How samples of each task are drawn, and its number of classes."""


def split(task: str, count: int, rng: Rng) -> Split:
    """`count` samples to train on and the others that go with them.

    In test 9 (moons) the best network is chosen by a set of its own, 3/14 as large, and held out is another one: 70, 15
    and 15 %, as in the original. Elsewhere it is chosen by the first 1,000 training samples, and 1,000 are held out.
    """
    draw, outputs = SETS[task]
    if task == "moons":
        part = max(2, count * 3 // 14)
        everything = draw(count + 2 * part, rng)
        order = rng.permutation(len(everything.classes))
        train, choice, held_out = (everything.pick(o) for o in np.split(order, [count, count + part]))
        return Split(train, choice, held_out, outputs)
    train = draw(count, rng)
    return Split(train, train.pick(np.arange(min(count, FRESH))), draw(FRESH, rng), outputs)


def _samples(x: np.ndarray, classes: np.ndarray) -> Samples:
    return Samples(x.astype(np.float32), classes.astype(np.int64))
