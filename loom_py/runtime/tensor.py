"""Tensors in a device's memory, and NumPy arrays on their way there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError

Array = NDArray[Any]
Values = dict[str, Array]


@dataclass(frozen=True)
class DeviceTensor:
    """A tensor in a device's memory. `dtype` is a NumPy name, or a storage of weights: `F16`, `Q4_1`, …"""

    address: int
    shape: tuple[int, ...]
    dtype: str

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of a tensor of a NumPy dtype."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize


def narrowed(array: ArrayLike, dtypes: Mapping[str, str]) -> Array:
    """The array as a device keeps it: contiguous, its dtype replaced as `dtypes` says."""
    array = np.asarray(array)
    return np.ascontiguousarray(array, dtypes.get(array.dtype.name, array.dtype))


def fitting(tensor: DeviceTensor, array: ArrayLike, dtypes: Mapping[str, str]) -> Array:
    """`narrowed` values to overwrite a tensor with. Raises `InputError` if shape or dtype differ."""
    values = narrowed(array, dtypes)
    if values.shape != tensor.shape or values.dtype.name != tensor.dtype:
        got = f"{values.shape} {values.dtype}"
        raise InputError(f"expected {tensor.shape} {tensor.dtype}, got {got}", where="write")
    return values
