"""K-means clustering and the silhouette score."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..schema.fields import Json, suggest
from ..values import whole
from .checks import Matrix, generator, matrix

CHUNK = 1 << 22
"""Number of distances held at once: 32 MiB of float64."""
EXACT_COLUMNS = 16


@dataclass(frozen=True)
class Clusters:
    """A clustering of n points of d values into k clusters.

    - `centroids` (k, d) float64, `assignments` (n,) int64: the index of each point's nearest centroid.
    - `inertia`: Σ ‖x − its centroid‖²; `history`: the inertia after every assignment, which never rises.
    - `iterations`, and whether the assignments stopped changing (`converged`).
    """

    centroids: Matrix
    assignments: NDArray[np.int64]
    inertia: float
    iterations: int
    converged: bool
    history: tuple[float, ...]

    def to_json(self) -> Json:
        values: dict[str, Any] = {"centroids": self.centroids.tolist(), "assignments": self.assignments.tolist()}
        return values | {"inertia": self.inertia, "iterations": self.iterations, "converged": self.converged}


def kmeans(
    data: ArrayLike,
    k: int,
    max_iterations: int = 100,
    *,
    init: str = "k-means++",
    seed: int | None = None,
    runs: int = 1,
) -> Clusters:
    """Lloyd's algorithm (1982), Euclidean: assign every point to the nearest centroid, move centroids to the means.

    **Arguments:**

    - `data`: (n, d) numbers; `k` clusters, reduced to n if larger.
    - `init`: "k-means++" draws each next centroid with probability ∝ D², the squared distance to the nearest one drawn
      (Arthur & Vassilvitskii 2007); "forgy" takes k random points.
    - `runs`: number of restarts; the result with the lowest inertia is returned.

    A cluster that loses all its points gets the point farthest from its own centroid, which lowers the inertia further.
    Raises `InputError` unless `data` is a matrix of finite numbers.
    """
    x = matrix(data, "data")
    if len(x) == 0 or x.shape[1] == 0:
        raise InputError("is empty", where="data")
    k = min(whole(k, "k", 1), len(x))
    whole(max_iterations, "max_iterations", 1)
    if init not in _INITS:
        raise InputError(f"unknown initialisation {init!r}", where="init", remedy=suggest(str(init), _INITS))
    rng = generator(seed)
    center = x.mean(axis=0)  # distances lose fewer digits near the origin
    candidates = [_lloyd(x - center, k, max_iterations, init, rng) for _ in range(whole(runs, "runs", 1))]
    best = min(candidates, key=lambda c: c.inertia)
    return replace(best, centroids=best.centroids + center)


def _lloyd(x: Matrix, k: int, limit: int, init: str, rng: np.random.Generator) -> Clusters:
    centroids = _INITS[init](x, k, rng)
    assigned, distances = nearest(x, centroids)
    assigned, distances = _fill_empty(x, centroids, assigned, distances)
    history = [float(distances.sum())]
    for iteration in range(1, limit + 1):
        centroids = _means(x, assigned, centroids)
        again, distances = nearest(x, centroids)
        again, distances = _fill_empty(x, centroids, again, distances)
        history.append(float(distances.sum()))
        if (again == assigned).all():
            return Clusters(centroids, again, history[-1], iteration, True, tuple(history))
        assigned = again
    return Clusters(centroids, assigned, history[-1], limit, False, tuple(history))


def nearest(x: Matrix, centroids: Matrix) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For every row of x the index of the nearest centroid (the first of equals) and the squared distance to it."""
    index = np.empty(len(x), np.int64)
    for start, stop in _chunks(len(x), len(centroids)):
        index[start:stop] = squared_distances(x[start:stop], centroids).argmin(axis=1)
    return index, ((x - centroids[index]) ** 2).sum(axis=1)


def squared_distances(a: Matrix, b: Matrix) -> Matrix:
    """(n, d), (m, d) → ‖a_i − b_j‖² (n, m).

    Exact differences for few columns; else ‖a‖² − 2 a·b + ‖b‖², one matrix product, never below 0.
    """
    if a.shape[1] <= EXACT_COLUMNS:
        total = np.zeros((len(a), len(b)))
        for column, other in zip(a.T, b.T, strict=True):
            total += (column[:, None] - other) ** 2
        return total
    d = (a**2).sum(axis=1)[:, None] - 2 * (a @ b.T) + (b**2).sum(axis=1)
    return np.maximum(d, 0, out=d)


def _chunks(rows: int, width: int) -> list[tuple[int, int]]:
    step = max(1, CHUNK // max(width, 1))
    return [(start, min(start + step, rows)) for start in range(0, rows, step)]


def _means(x: Matrix, assigned: NDArray[np.int64], before: Matrix) -> Matrix:
    k = len(before)
    counts = np.bincount(assigned, minlength=k)
    sums = np.stack([np.bincount(assigned, weights=column, minlength=k) for column in x.T], axis=1)
    return np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], before)


def _fill_empty(
    x: Matrix, centroids: Matrix, assigned: NDArray[np.int64], distances: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Move the centroid of every empty cluster to the point farthest from its own, if any lies off its centroid."""
    empty = np.flatnonzero(np.bincount(assigned, minlength=len(centroids)) == 0)
    rounding = 1e-24 * float((x * x).sum(axis=1).max()) if empty.size else 0.0
    for cluster in empty:
        far = int(distances.argmax())
        if distances[far] <= rounding:
            break  # fewer distinct points than clusters
        centroids[cluster] = x[far]
        assigned[far], distances[far] = cluster, 0.0
    return assigned, distances


def _forgy(x: Matrix, k: int, rng: np.random.Generator) -> Matrix:
    return x[rng.choice(len(x), k, replace=False)].copy()


def _plus_plus(x: Matrix, k: int, rng: np.random.Generator) -> Matrix:
    centroids = np.empty((k, x.shape[1]))
    centroids[0] = x[rng.integers(len(x))]
    distances = ((x - centroids[0]) ** 2).sum(axis=1)
    for i in range(1, k):
        total = distances.sum()
        # all points already lie on centroids: choose any
        choice = rng.choice(len(x), p=distances / total) if total > 0 else rng.integers(len(x))
        centroids[i] = x[choice]
        distances = np.minimum(distances, ((x - centroids[i]) ** 2).sum(axis=1))
    return centroids


_INITS = {"k-means++": _plus_plus, "forgy": _forgy}


def silhouette_samples(data: ArrayLike, assignments: ArrayLike) -> NDArray[np.float64]:
    """Rousseeuw's silhouette (1987) of every point: (b − a) / max(a, b).

    a is the mean distance to the other points of its cluster, b the smallest mean distance to the points of another.
    0 for a point alone in its cluster, as he defines it, and for a single cluster. Memory stays bounded:
    distances are computed some rows at a time.
    """
    x = matrix(data, "data")
    given = np.asarray(assignments)
    if given.shape != (len(x),) or given.dtype.kind not in "iu":
        raise InputError(f"expected {len(x)} whole numbers", where="assignments")
    if len(x) == 0:
        raise InputError("is empty", where="data")
    x = x - x.mean(axis=0)
    _, labels, counts = np.unique(given, return_inverse=True, return_counts=True)
    if len(counts) == 1:
        return np.zeros(len(x))
    order = np.argsort(labels, kind="stable")
    place = np.argsort(order, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    scores = np.empty(len(x))
    for start, stop in _chunks(len(x), len(x)):
        rows, own = np.arange(stop - start), labels[start:stop]
        distances = np.sqrt(squared_distances(x[start:stop], x[order]))
        distances[rows, place[start:stop]] = 0  # the distance to itself is exactly 0
        sums = np.add.reduceat(distances, starts, axis=1)
        a = sums[rows, own] / np.maximum(counts[own] - 1, 1)
        others = sums / counts
        others[rows, own] = np.inf
        b = others.min(axis=1)
        largest = np.maximum(a, b)
        score = np.divide(b - a, largest, out=np.zeros_like(a), where=largest > 0)
        scores[start:stop] = np.where(counts[own] > 1, score, 0.0)
    return scores


def silhouette_score(data: ArrayLike, assignments: ArrayLike) -> float:
    """The mean of `silhouette_samples`: near 1 for tight clusters far apart, below 0 for wrong assignments."""
    return float(silhouette_samples(data, assignments).mean())
