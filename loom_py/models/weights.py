"""A checkpoint's weights under their Hugging Face names: as numbers, or bytes as stored on the way to a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..formats.checkpoint import Checkpoint, TensorInfo
from ..formats.dtypes import STORAGE
from ..formats.quant import requantise
from ..runtime.device import DeviceTensor
from ..runtime.stored import StoredWeight
from .gguf_llama import unpermute_rope_rows

IN_PLACE = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1")
"""Storages that devices multiply as they are."""


@dataclass(frozen=True)
class Weights:
    """A model's weights in a checkpoint.

    **Arguments:**

    - `stored_name`: Hugging Face's name → the checkpoint's.
    - `permuted`: `q_proj`, `k_proj` → number of heads, where their rows are in GGUF's order.
    """

    checkpoint: Checkpoint
    stored_name: Callable[[str], str]
    permuted: Mapping[str, int]

    def info(self, name: str) -> TensorInfo:
        return self.checkpoint.info(self.stored_name(name))

    def numbers(self, name: str) -> NDArray[np.float32]:
        """float32, contiguous. Raises `ModelError` for NaN or infinity."""
        weight = self._ordered(name, self.checkpoint.load(self.stored_name(name)))
        if not np.isfinite(weight).all():
            self._refuse(name)
        return np.ascontiguousarray(weight, dtype=np.float32)

    def upload(self, name: str, device: Any) -> StoredWeight:
        """The weight in a device's memory: matrices as stored where the device can use them so.

        Blocks of other kinds become Q8_0, other numbers F32. Raises `ModelError` for NaN or infinity.
        """
        info = self.info(name)
        if len(info.shape) != 2 or (info.dtype not in IN_PLACE and not STORAGE[info.dtype].quantised):
            return StoredWeight(_upload(device, self.numbers(name), len(info.shape)))
        rows, storage = self.checkpoint.raw_rows(info.name), info.dtype
        if storage not in IN_PLACE:
            rows, storage = requantise(rows, storage), "Q8_0"
        if not _finite(rows, storage):
            self._refuse(name)
        shape = (info.shape[0], info.shape[1])
        return StoredWeight(device.upload_stored(self._ordered(name, rows), storage, shape))

    def _ordered(self, name: str, rows: NDArray[Any]) -> NDArray[Any]:
        for part, heads in self.permuted.items():
            if f".{part}." in name:
                return unpermute_rope_rows(rows, heads)
        return rows

    def _refuse(self, name: str) -> None:
        info = self.info(name)
        raise ModelError(
            f"the weight {info.name} holds NaN or infinity", where=f"{self.checkpoint.name} at byte {info.offset}"
        )


def _upload(device: Any, weight: NDArray[np.float32], axes: int) -> DeviceTensor:
    if axes != 2:
        return device.upload(weight)
    return device.upload_stored(weight.view(np.uint8).reshape(len(weight), -1), "F32", weight.shape)


def _finite(rows: NDArray[np.uint8], storage: str) -> bool:
    """Whether all numbers (or the scales of all blocks) are finite."""
    data = np.ascontiguousarray(rows)
    if storage == "BF16":
        return not bool(((data.view("<u2") & 0x7F80) == 0x7F80).any())
    if storage in ("F32", "F16"):
        return bool(np.isfinite(data.view("<f4" if storage == "F32" else "<f2")).all())
    blocks = data.reshape(-1, STORAGE[storage].size)[:, : 4 if storage == "Q4_1" else 2]
    return bool(np.isfinite(np.ascontiguousarray(blocks).view("<f2")).all())
