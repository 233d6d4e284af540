"""What is learned: chasing or avoiding a target, and two sets of labelled vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
CHASE, AVOID = 0, 1
ACTIONS = ("up", "down", "left", "right")
SPEED, JITTER = 0.02, 0.005
_MOVES = np.array([[0, SPEED], [0, -SPEED], [-SPEED, 0], [SPEED, 0]])


class ChaseWorld:
    """An agent and a target in the unit square; positions are (x, y).

    The agent starts in the middle and moves by 0.02 along one axis a tick; the target drifts by U(±0.005) on each axis
    within 0.1 … 0.9. The right action goes along the larger of the two distances: towards the target, or away from it.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self.agent = np.array([0.5, 0.5])
        self.target = rng.uniform(0, 1, 2)
        self.task = CHASE

    def observation(self, size: int) -> Array:
        """Agent, target, difference, distance and task, repeated to `size` values, float32."""
        apart = self.target - self.agent
        seen = np.array([*self.agent, *self.target, *apart, np.hypot(*apart), self.task], np.float32)
        return np.resize(seen, size)

    def best_action(self) -> int:
        """Index into `ACTIONS`."""
        x, y = self.target - self.agent
        sideways, along = (3 if x > 0 else 2), (0 if y > 0 else 1)
        towards = sideways if abs(x) > abs(y) else along
        return towards if self.task == CHASE else towards ^ 1  # the opposite one

    def move(self, action: int) -> None:
        """The agent's move; walls stop it."""
        self.agent = np.minimum(np.maximum(self.agent + _MOVES[action], 0), 1)

    def drift(self) -> None:
        """The target's move."""
        moved = self.target + self._rng.uniform(-JITTER, JITTER, 2)
        self.target = np.minimum(np.maximum(moved, 0.1), 0.9)


@dataclass(frozen=True)
class Samples:
    """Inputs (N, I), float32, and their classes (N,)."""

    inputs: Array
    classes: Array

    def one_hot(self, classes: int) -> Array:
        """(N, classes), float32."""
        return np.eye(classes, dtype=np.float32)[self.classes]

    def pick(self, rows: Array) -> Samples:
        """The samples with these numbers."""
        return Samples(self.inputs[rows], self.classes[rows])


CLASSES = 3


def bands(size: int, each: int, rng: np.random.Generator) -> Samples:
    """Tests 13 to 15: all values of a sample lie around class/3, within ±0.15, cut to 0 … 1; `each` samples a class."""
    classes = np.repeat(np.arange(CLASSES), each)
    inputs = classes[:, None] / CLASSES + rng.uniform(-0.15, 0.15, (classes.size, size))
    return Samples(np.clip(inputs, 0, 1).astype(np.float32), classes)


def quadrants(size: int, count: int, noise: float, rng: np.random.Generator) -> Samples:
    """Test 16: x ~ U(−1, 1); q = [x₀x₁ > 0] + 2 [x₂x₃ > 0], one more (mod 4) if x₄ + x₅ + … > 0; class q mod 3.

    A share `noise` of the labels is drawn at random instead (and so is wrong in two cases of three).
    """
    x = rng.uniform(-1, 1, (count, size)).astype(np.float32)
    q = (x[:, 0] * x[:, 1] > 0) + 2 * (x[:, 2] * x[:, 3] > 0)
    classes = (q + (x[:, 4:].sum(axis=1) > 0)) % 4 % CLASSES
    wrong = rng.random(count) < noise
    return Samples(x, np.where(wrong, rng.integers(0, CLASSES, count), classes))
