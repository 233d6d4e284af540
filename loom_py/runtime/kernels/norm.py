"""Normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def rms_norm(x: Array, gamma: Array, eps: float) -> Array:
    """x / sqrt(mean(x²) + eps) · gamma over the last axis   (Zhang & Sennrich 2019)."""
    mean_square = np.mean(x * x, axis=-1, keepdims=True)
    return x / np.sqrt(mean_square + x.dtype.type(eps)) * gamma
