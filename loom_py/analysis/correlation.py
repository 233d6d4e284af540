"""Correlation of features: Pearson's and Spearman's matrices, and the strong pairs in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..schema.fields import Json, suggest
from ..values import number
from .checks import Matrix, matrix


@dataclass(frozen=True)
class CorrelationPair:
    """Two features and their correlation."""

    feature1: str
    feature2: str
    correlation: float

    @property
    def abs_correlation(self) -> float:
        return abs(self.correlation)

    def to_json(self) -> Json:
        return {**vars(self), "abs_correlation": self.abs_correlation}


@dataclass(frozen=True)
class Correlations:
    """The n × n correlation matrix of n features over a number of samples, and each feature's own figures.

    `std_devs` are of the population. A constant feature has correlation 0 with every other one, and 1 with itself.
    """

    labels: tuple[str, ...]
    matrix: Matrix
    samples: int
    means: NDArray[np.float64]
    std_devs: NDArray[np.float64]
    mins: NDArray[np.float64]
    maxs: NDArray[np.float64]

    def strong(self, threshold: float) -> list[CorrelationPair]:
        """Pairs with |r| ≥ threshold, the strongest first."""
        number(threshold, "threshold", 0, 1)
        i, j = np.triu_indices(len(self.labels), 1)
        strong_pairs = np.flatnonzero(np.abs(self.matrix[i, j]) >= threshold)
        return _sorted([self._pair(i[f], j[f]) for f in strong_pairs])

    def with_feature(self, label: str) -> list[CorrelationPair]:
        """The feature's pairs with every other one, the strongest first."""
        if label not in self.labels:
            raise InputError(f"unknown feature {label!r}", where="label", remedy=suggest(label, self.labels))
        i = self.labels.index(label)
        return _sorted([self._pair(i, j) for j in range(len(self.labels)) if j != i])

    def _pair(self, i: int, j: int) -> CorrelationPair:
        return CorrelationPair(self.labels[i], self.labels[j], float(self.matrix[i, j]))

    def to_json(self) -> Json:
        """The original's layout."""
        inner = {"labels": list(self.labels), "matrix": self.matrix.tolist(), "n": len(self.labels)}
        names = ("means", "std_devs", "mins", "maxs")
        figures = {name: getattr(self, name).tolist() for name in names}
        return {"correlation": {**inner, "samples": self.samples}, **figures}


def pearson(data: ArrayLike, labels: Sequence[str] | None = None, *, skip_nan: bool = False) -> Correlations:
    """r_ij = cov(i, j) / (σ_i σ_j) of the columns of `data` (samples, features).

    **Arguments:**

    - `labels`: one a feature; "F0", "F1", … if None.
    - `skip_nan`: leave out samples in which any feature is NaN. Without it they are an error.

    Raises `InputError` for fewer than two samples, infinities, or labels that do not fit.
    """
    x, names = _prepare(data, labels, skip_nan)
    return _correlate(x, x, names)


def spearman(data: ArrayLike, labels: Sequence[str] | None = None, *, skip_nan: bool = False) -> Correlations:
    """Pearson's r of the ranks (Spearman 1904), equal values sharing the mean of their ranks.

    The features' own figures are those of the values, not of the ranks.
    """
    x, names = _prepare(data, labels, skip_nan)
    ranks = np.stack([average_ranks(column) for column in x.T], axis=1)
    return _correlate(ranks, x, names)


def average_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks of a vector's values, from 1; equal values get the mean of their ranks."""
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[index.ravel()]


def _prepare(data: ArrayLike, labels: Sequence[str] | None, skip_nan: bool) -> tuple[Matrix, tuple[str, ...]]:
    x = matrix(data, "data", finite=False)
    if skip_nan:
        x = x[~np.isnan(x).any(axis=1)]
    matrix(x, "data")
    if len(x) < 2 or x.shape[1] == 0:
        raise InputError(f"needs at least two samples of one feature, got {x.shape[0]} of {x.shape[1]}", where="data")
    names = tuple(labels) if labels is not None else tuple(f"F{i}" for i in range(x.shape[1]))
    if len(names) != x.shape[1]:
        raise InputError(f"{len(names)} labels for {x.shape[1]} features", where="labels")
    for i, name in enumerate(names):
        if not isinstance(name, str):
            raise InputError(f"expected a string, got {type(name).__name__}", where=f"labels[{i}]")
        if name in names[:i]:
            raise InputError(f"two features are labelled {name!r}", where=f"labels[{i}]", remedy="Rename one of them.")
    return x, names


def _correlate(r: Matrix, x: Matrix, names: tuple[str, ...]) -> Correlations:
    """Of the columns of r; the features' figures are of x."""
    largest = np.abs(r).max(axis=0)
    r = r / np.where(largest > 0, largest, 1)  # squares neither overflow nor vanish
    varies = r.max(axis=0) > r.min(axis=0)
    centered = np.where(varies, r - r.mean(axis=0), 0)
    norms = np.sqrt((centered**2).sum(axis=0))
    unit = centered / np.where(norms > 0, norms, 1)
    result = np.clip(unit.T @ unit, -1, 1)
    result = (result + result.T) / 2
    np.fill_diagonal(result, 1)
    return Correlations(names, result, len(x), x.mean(axis=0), x.std(axis=0), x.min(axis=0), x.max(axis=0))


def _sorted(pairs: list[CorrelationPair]) -> list[CorrelationPair]:
    return sorted(pairs, key=lambda p: -p.abs_correlation)
