"""Prefix sums."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InputError


def inclusive_scan(values: ArrayLike) -> NDArray[Any]:
    """y_i = x_0 + … + x_i. Integers keep their type and wrap around as on a device; floats are added in order."""
    x = _vector(values)
    return np.cumsum(x, dtype=x.dtype)


def exclusive_scan(values: ArrayLike) -> NDArray[Any]:
    """y_i = x_0 + … + x_(i−1), y_0 = 0."""
    x = _vector(values)
    y = np.zeros_like(x)
    np.cumsum(x[:-1], dtype=x.dtype, out=y[1:])
    return y


def _vector(values: ArrayLike) -> NDArray[Any]:
    x = np.asarray(values)
    if x.ndim != 1 or (x.size and x.dtype.kind not in "iuf"):
        raise InputError(f"expected a vector of numbers, got {x.dtype} with {x.ndim} axes", where="values")
    return x
