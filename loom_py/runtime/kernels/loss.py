"""Losses and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def mse(y: Array, target: Array) -> Array:
    """mean((y − t)²)."""
    difference = (y - target).ravel()
    return np.asarray(np.dot(difference, difference) / difference.size)


def mse_grad(y: Array, target: Array) -> Array:
    """2 (y − t) / n."""
    return (y - target) * y.dtype.type(2 / y.size)
