"""Softmax over the last axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def softmax(x: Array) -> Array:
    """e^(x − max) / Σ."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_grad(y: Array, g: Array) -> Array:
    """The Jacobian diag(y) − y yᵀ applied to g."""
    return y * (g - (g * y).sum(axis=-1, keepdims=True))
