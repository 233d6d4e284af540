"""The layout of weights in buffers: the bytes of a file, rearranged into whole words without loss.

A tensor in blocks is stored as its quants, block after block, and from the next multiple of 256 bytes on its scales:

| storage | quants of a block | scales of a block |
|---|---|---|
| Q8_0 | 32 signed bytes | d, float16 |
| Q4_0 | 16 bytes of nibbles | d, float16 |
| Q4_1 | 16 bytes of nibbles | d and m, float16 |

`wgsl/storage.wgsl` widens them, eight elements at a time. Rows whose length is no multiple of eight become float32.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DeviceError
from ..kernels.linear import STORAGE_NUMBERS as KINDS

SCALES = {"Q8_0": 2, "Q4_0": 2, "Q4_1": 4}
"""Block storage → bytes of scales before the quants of a block of 32 in a file."""
QUANTS = {"Q8_0": 32, "Q4_0": 16, "Q4_1": 16}
BLOCK, GROUP, ALIGNMENT = 32, 8, 256
HALVES = (KINDS["F16"], KINDS["BF16"])


def element_bytes(storage: str) -> int:
    """Bytes of an element of a storage without blocks."""
    return 2 if KINDS[storage] in HALVES else 4


def quants_bytes(shape: tuple[int, ...], storage: str) -> int:
    """Bytes before the scales: all of them for a storage without blocks."""
    if storage in QUANTS:
        return prod(shape) // BLOCK * QUANTS[storage]
    return prod(shape) * element_bytes(storage)


def scales_start(shape: tuple[int, ...], storage: str) -> int:
    """Where the scales begin; 0 for a storage without blocks."""
    return -(-quants_bytes(shape, storage) // ALIGNMENT) * ALIGNMENT if storage in SCALES else 0


def scales_bytes(shape: tuple[int, ...], storage: str) -> int:
    return prod(shape) // BLOCK * SCALES.get(storage, 0)


def buffer_bytes(shape: tuple[int, ...], storage: str) -> int:
    """Bytes of a tensor in its buffer."""
    if storage not in KINDS:
        return 4 * prod(shape)
    return scales_start(shape, storage) + scales_bytes(shape, storage) or quants_bytes(shape, storage)


def rearranged(rows: NDArray[np.uint8], storage: str, shape: tuple[int, ...]) -> tuple[NDArray[Any], str]:
    """Rows as in a file (rows, bytes) → words for a buffer, and their storage there.

    Raises `DeviceError` for a storage that the shaders lack.
    """
    if storage not in KINDS:
        raise DeviceError(f"weights stored as {storage} are not supported", where="webgpu")
    data = np.ascontiguousarray(rows).reshape(-1)
    if storage in SCALES:
        start, ends = scales_start(shape, storage), quants_bytes(shape, storage)
        blocks = data.reshape(-1, SCALES[storage] + QUANTS[storage])
        size = start + -(-scales_bytes(shape, storage) // 4) * 4
        out = np.zeros(size, np.uint8)
        out[:ends].reshape(len(blocks), -1)[...] = blocks[:, SCALES[storage] :]
        out[start : start + SCALES[storage] * len(blocks)].reshape(len(blocks), -1)[...] = blocks[:, : SCALES[storage]]
        return out.view(np.uint32), storage
    if shape[-1] % GROUP and KINDS[storage] == KINDS["F16"]:
        return data.view(np.float16).astype(np.float32), "F32"
    if shape[-1] % GROUP and KINDS[storage] == KINDS["BF16"]:
        return (data.view(np.uint16).astype(np.uint32) << 16), "F32"
    return data.view(np.uint32), storage
