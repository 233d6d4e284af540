"""float32 as narrower floats, rounded to nearest even."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .checkpoint import TensorInfo

FloatType = Literal["float32", "float16", "bfloat16"]


def narrowed(weight: NDArray[np.float32], dtype: FloatType, info: TensorInfo) -> NDArray[Any]:
    """`weight` as `dtype`, contiguous; bfloat16 as uint16. NaN stays NaN.

    Raises `ModelError` with the place of `info` for finite numbers beyond float16's range.
    """
    if dtype == "float32":
        return np.ascontiguousarray(weight)
    if dtype == "bfloat16":
        bits = np.ascontiguousarray(weight).view(np.uint32)
        rounded = ((bits + (((bits >> 16) & 1) + np.uint32(0x7FFF))) >> 16).astype(np.uint16)
        return np.where(np.isnan(weight), ((bits >> 16) | 0x40).astype(np.uint16), rounded)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = np.ascontiguousarray(weight, np.float16)
    if np.isinf(narrow).any() and not np.isinf(weight).any():
        raise ModelError(
            f"the weight {info.name} holds numbers beyond float16's 65504",
            where=info.where,
            remedy="Convert to bfloat16 or float32.",
        )
    return narrow
