"""Weights as files store them: on their way to a device, and there, where tracing needs only their shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .tensor import DeviceTensor


class StoredRows(Protocol):
    """Rows of a matrix as a file stores them: an array of bytes, or what reads rows of it when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, bytes of a row)."""
        ...

    def __getitem__(self, rows: slice, /) -> NDArray[np.uint8]:
        """Consecutive rows. Raises a `LoomError` for those that cannot be read."""
        ...


@dataclass(frozen=True)
class StoredWeight:
    """A weight in a device's memory, stored as in its file; `linear` and `embedding` accept it."""

    tensor: DeviceTensor

    @property
    def shape(self) -> tuple[int, ...]:
        return self.tensor.shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def storage(self) -> str:
        return self.tensor.dtype

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Of its elements, once widened."""
        return np.dtype(np.float32)
