"""Checkpoints whose quantised matrices have scales beside them, as repositories in float8 do.

A matrix `<name>` has its scale in `<name>_scale_inv` or `<name>_scale`, which multiplies in spite of the first name:
one number, one a row, or one a rectangular block of rows and columns (DeepSeek-AI 2024, blocks of 128 × 128).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import ModelError
from .checkpoint import ALL, Checkpoint, TensorInfo

SCALED = ("F8_E4M3", "F8_E5M2", "I8")
"""Storages of which a matrix may have a scale."""
_SUFFIXES = ("_scale_inv", "_scale")
_CHUNK_ROWS = 512


class ScaledCheckpoint:
    """A `Checkpoint` whose `load` multiplies with the scales; bytes are as they are stored.

    **Arguments:**

    - `block`: rows and columns of a block, where scales come by block.

    Raises `ModelError` for a scale whose shape fits none of the three forms.
    """

    def __init__(self, checkpoint: Checkpoint, block: tuple[int, int] = (128, 128)) -> None:
        self.checkpoint, self.name, self.block = checkpoint, checkpoint.name, block
        self._scales = {name: scale for name in checkpoint.names() if (scale := _scale_of(checkpoint, name))}
        for name, scale in self._scales.items():
            self._check(checkpoint.info(name), checkpoint.info(scale))

    @property
    def metadata(self) -> Mapping[str, Any]:
        return self.checkpoint.metadata

    def names(self) -> list[str]:
        return self.checkpoint.names()

    def __contains__(self, name: object) -> bool:
        return name in self.checkpoint

    def info(self, name: str) -> TensorInfo:
        return self.checkpoint.info(name)

    def raw(self, name: str) -> memoryview:
        return self.checkpoint.raw(name)

    def raw_rows(self, name: str, rows: slice = ALL) -> NDArray[np.uint8]:
        return self.checkpoint.raw_rows(name, rows)

    def view(self, name: str) -> NDArray[Any]:
        return self.checkpoint.view(name)

    def load(self, name: str, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        numbers = self.checkpoint.load(name, dtype)
        if name not in self._scales:
            return numbers
        scale = self.checkpoint.load(self._scales[name], np.float32)
        with np.errstate(all="ignore"):  # damaged scales may be infinite or NaN: they pass through as such
            if scale.size in (1, len(numbers)):
                numbers *= scale.reshape(-1, *([1] * (numbers.ndim - 1)))
                return numbers
            rows, columns = self.block
            for first in range(0, len(numbers), _CHUNK_ROWS):
                part = numbers[first : first + _CHUNK_ROWS]
                own = scale[np.arange(first, first + len(part)) // rows]
                part *= np.repeat(own, columns, axis=1)[:, : numbers.shape[1]]
        return numbers

    def _check(self, matrix: TensorInfo, scale: TensorInfo) -> None:
        rows, columns = matrix.shape[0], math.prod(matrix.shape[1:])
        blocks = -(-rows // self.block[0]), -(-columns // self.block[1])
        forms = (), (1,), (1, 1), (rows,), (rows, 1), blocks
        if scale.shape not in forms or (scale.shape == blocks and len(matrix.shape) != 2):
            raise ModelError(
                f"the scale {scale.name} has shape {list(scale.shape)}, which does not fit {matrix.name} with shape "
                f"{list(matrix.shape)}",
                where=scale.where,
                remedy=f"Expected one number, {rows} or {list(blocks)}.",
            )


def _scale_of(checkpoint: Checkpoint, name: str) -> str:
    """The name of a tensor's scale; empty where it has none."""
    info = checkpoint.info(name)
    if info.dtype not in SCALED or not info.shape:
        return ""
    return next((name + suffix for suffix in _SUFFIXES if name + suffix in checkpoint), "")
