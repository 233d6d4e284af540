"""Classification metrics: accuracy, confusion matrix, and precision, recall and F1 of every class and on average."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..errors import InputError
from ..marks import Floats
from ..nn.grid import Grid
from ..schema.fields import Json, json_type, shown
from .evaluation import sample


@dataclass(frozen=True, kw_only=True)
class ClassScores:
    """precision = TP / (TP + FP), recall = TP / (TP + FN), f1 = their harmonic mean; 0 where a denominator is 0.

    `support` is the number of true samples.
    """

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, kw_only=True)
class ClassificationReport:
    """`confusion[t][p]` samples of class t were predicted as p; everything else follows from it."""

    confusion: list[list[int]]

    @classmethod
    def from_classes(cls, expected: Sequence[int], actual: Sequence[int], classes: int = 0) -> Self:
        """From true and predicted class numbers; at least `classes` classes."""
        if len(expected) != len(actual):
            raise InputError(f"mismatched expected ({len(expected)}) vs actual ({len(actual)}) classes")
        size = max([classes, *(1 + c for c in expected), *(1 + c for c in actual)])
        matrix = np.zeros((size, size), np.int64)
        np.add.at(matrix, (np.asarray(expected, np.int64), np.asarray(actual, np.int64)), 1)
        return cls(confusion=matrix.tolist())

    @property
    def total_samples(self) -> int:
        return sum(map(sum, self.confusion))

    @property
    def accuracy(self) -> float:
        """Share of samples predicted right, 0 … 1."""
        right = sum(row[i] for i, row in enumerate(self.confusion))
        return _ratio(right, self.total_samples)

    @property
    def classes(self) -> list[ClassScores]:
        """Scores of every class."""
        by_class = []
        for i, row in enumerate(self.confusion):
            right, predicted, support = row[i], sum(r[i] for r in self.confusion), sum(row)
            precision, recall = _ratio(right, predicted), _ratio(right, support)
            f1 = _ratio(2 * right, predicted + support)
            by_class.append(ClassScores(precision=precision, recall=recall, f1=f1, support=support))
        return by_class

    @property
    def macro(self) -> ClassScores:
        """Mean over the classes."""
        return self._mean([1] * len(self.confusion))

    @property
    def weighted(self) -> ClassScores:
        """Mean over the classes, each counted by its samples."""
        return self._mean([c.support for c in self.classes])

    def _mean(self, weights: list[int]) -> ClassScores:
        scores, total = self.classes, sum(weights)
        means = {
            name: _ratio(sum(w * getattr(c, name) for w, c in zip(weights, scores, strict=True)), total)
            for name in ("precision", "recall", "f1")
        }
        return ClassScores(**means, support=self.total_samples)

    def summary(self) -> str:
        """The report as a table."""
        lines = [f"{'':>12} precision  recall      f1  support"]
        rows = {str(i): c for i, c in enumerate(self.classes)} | {"macro": self.macro, "weighted": self.weighted}
        for name, c in rows.items():
            lines.append(f"{name:>12} {c.precision:9.3f} {c.recall:7.3f} {c.f1:7.3f} {c.support:8d}")
        lines += ["", f"Accuracy: {100 * self.accuracy:.1f}% of {self.total_samples} samples", "", "Confusion matrix:"]
        width = max(len(str(n)) for row in self.confusion for n in row)
        lines += [" ".join(f"{n:>{width}}" for n in row) for row in self.confusion]
        return "\n".join(lines)

    def to_json(self) -> Json:
        return {
            "accuracy": self.accuracy,
            "total_samples": self.total_samples,
            "confusion": self.confusion,
            "classes": [vars(c) for c in self.classes],
            "macro": vars(self.macro),
            "weighted": vars(self.weighted),
        }


def evaluate_classification(network: Grid, inputs: Sequence[Floats], classes: Sequence[Any]) -> ClassificationReport:
    """Predicted class: the index of the first largest output; for a single output, whether it is at least 0.5.

    `classes` holds a class number a sample, or a one-hot vector.
    """
    if len(inputs) != len(classes):
        raise InputError(f"mismatched inputs ({len(inputs)}) vs classes ({len(classes)})")
    if len(inputs) == 0:
        raise InputError("there is nothing to evaluate", where="inputs")
    rows = [sample(network, x, f"inputs[{i}]") for i, x in enumerate(inputs)]
    expected = [_class(value, f"classes[{i}]") for i, value in enumerate(classes)]
    outputs = [network.trace_forward(network.ops, network.params, row)[0] for row in rows]
    count = max(2, *(y.size for y in outputs))
    for i, want in enumerate(expected):
        if want >= count:
            raise InputError(f"class {want} of a network with {count} classes", where=f"classes[{i}]")
    actual = [int(y[0, 0] >= 0.5) if y.size == 1 else int(np.argmax(y)) for y in outputs]
    return ClassificationReport.from_classes(expected, actual, count)


def _class(value: Any, where: str) -> int:
    """A class number, or the index of the one in a one-hot vector."""
    if isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value) == 1:
        vector = list(value)
        if len(vector) == 1 and vector[0] in (0, 1):
            return int(vector[0])
        if sorted(vector) != [0] * (len(vector) - 1) + [1]:
            raise InputError("expected a one-hot vector: a single 1 among zeros", where=where)
        return vector.index(1)
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise InputError(f"expected a class number or a one-hot vector, got {json_type(value)}", where=where)
    if not 0 <= value < 2**53 or value != value // 1:
        raise InputError(f"{shown(value)} is not a class number", where=where)
    return int(value)


def _ratio(a: float, b: float) -> float:
    return a / b if b else 0.0
