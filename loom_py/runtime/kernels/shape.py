"""Moving elements about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def reshape(x: Array, shape: Sequence[int]) -> Array:
    return x.reshape(tuple(shape))


def zeros(shape: Sequence[int], like: Array) -> Array:
    return np.zeros(tuple(shape), like.dtype)


def concat(parts: Sequence[Array], axis: int) -> Array:
    return np.concatenate(parts, axis=axis)


def narrow(x: Array, axis: int, start: int, length: int) -> Array:
    index = [slice(None)] * x.ndim
    index[axis] = slice(start, start + length)
    return np.ascontiguousarray(x[tuple(index)])


def pad(x: Array, axis: int, length: int) -> Array:
    missing = [(0, 0)] * x.ndim
    missing[axis] = (0, length - x.shape[axis])
    return np.pad(x, missing)


def assign(state: Array, x: Array) -> None:
    state[...] = x
