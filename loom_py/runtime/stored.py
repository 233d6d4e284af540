"""Weights that live on a device only; tracing needs only their shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .tensor import DeviceTensor


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
