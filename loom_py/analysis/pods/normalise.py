"""Softmax and layer normalisation of rows, by the kernels the layers use."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InputError
from ...runtime import numpy_ops
from ...values import number
from ..checks import numbers


def softmax(x: ArrayLike, *, dtype: Any = np.float32) -> NDArray[Any]:
    """e^(x − max) / Σ over the last axis; any shape except a scalar."""
    return numpy_ops.softmax(_rows(x, dtype))


def layernorm(x: ArrayLike, eps: float = 1e-5, *, dtype: Any = np.float32) -> NDArray[Any]:
    """(x − mean) / √(var + eps) over the last axis, without gain and offset (Ba et al. 2016)."""
    rows = _rows(x, dtype)
    gain, offset = np.ones(rows.shape[-1], dtype), np.zeros(rows.shape[-1], dtype)
    return numpy_ops.layer_norm(rows, gain, offset, number(eps, "eps", 0))


def _rows(x: ArrayLike, dtype: Any) -> NDArray[Any]:
    a = numbers(x, "x", dtype=dtype)
    if a.ndim == 0 or a.size == 0:
        raise InputError(f"expected rows of numbers, got shape {a.shape}", where="x")
    return a
