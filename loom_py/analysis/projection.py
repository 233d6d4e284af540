"""Principal components: the directions along which points differ most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..schema.fields import Json
from ..values import whole
from .checks import Matrix, matrix


@dataclass(frozen=True)
class Projection:
    """n points of d values seen along their first k principal components.

    - `points` (n, k): coordinates along the components, the mean at the origin.
    - `components` (k, d): orthonormal rows; the largest element of each is positive.
    - `mean` (d,); `variance` (k,): of the points along each component, the largest first, Σ x² / n.
    - `share` (k,): of the points' whole variance.
    """

    points: Matrix
    components: Matrix
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    share: NDArray[np.float64]

    def to_json(self) -> Json:
        return {name: array.tolist() for name, array in vars(self).items()}


def principal_components(data: ArrayLike, count: int = 2) -> Projection:
    """Pearson (1901): the eigenvectors of the covariance with the largest eigenvalues.

    Of the two Gram matrices XᵀX and XXᵀ, X centred, the smaller one is decomposed in float64: they have the same
    eigenvalues, and an eigenvector u of XXᵀ gives Xᵀu / ‖Xᵀu‖.

    **Arguments:**

    - `data`: (n, d) numbers.
    - `count`: components, at most d. Those beyond the rank of the data are zeros, and so are coordinates along them.
    """
    x = matrix(data, "data")
    n, d = x.shape
    if not n:
        raise InputError("is empty", where="data", remedy="Give at least one row.")
    whole(count, "count", 1, d)
    mean = x.mean(0)
    centred = x - mean
    small = centred.T @ centred if d <= n else centred @ centred.T
    values, vectors = np.linalg.eigh(small)
    order = np.argsort(values)[::-1][:count]
    kept = order[values[order] > values.max() * len(small) * np.finfo(np.float64).eps]
    directions = vectors[:, kept].T if d <= n else vectors[:, kept].T @ centred
    components = np.zeros((count, d))
    components[: len(kept)] = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    largest = components[np.arange(count), np.abs(components).argmax(1)]
    components *= np.where(largest < 0, -1.0, 1.0)[:, None]
    points = centred @ components.T
    variance = (points**2).mean(0)
    total = (centred**2).sum() / n
    return Projection(points, components, mean, variance, variance / total if total else np.zeros(count))
