"""Scaled matrix product."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InputError
from ...runtime import numpy_ops
from ...values import number
from ..checks import matrix


def gemm(alpha: float, a: ArrayLike, b: ArrayLike, *, dtype: Any = np.float32) -> NDArray[Any]:
    """α A B: (m, k), (k, n) → (m, n), in `dtype`. Raises `InputError` for mismatched shapes."""
    left, right = matrix(a, "a", dtype=dtype, finite=False), matrix(b, "b", dtype=dtype, finite=False)
    if left.shape[1] != right.shape[0]:
        raise InputError(f"{left.shape} and {right.shape} do not fit", where="b")
    return numpy_ops.scale(numpy_ops.matmul(left, right), number(alpha, "alpha"))
