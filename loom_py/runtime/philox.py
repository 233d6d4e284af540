"""Philox 2×32-10, a counter-based generator: the same numbers on every device, in any order.

J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. One 32-bit multiplication per round, which
shaders without 64-bit integers can compute too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_MULTIPLIER = np.uint64(0xD256D193)
_WEYL = 0x9E3779B9
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


def philox(seed: int, step: int, elements: NDArray[Any]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Two 32-bit words for each of `elements` (any shape): key `seed`, counter (element, step), each mod 2³²."""
    left = np.asarray(elements).astype(np.uint64) & _LOW
    right = np.full_like(left, step & 0xFFFFFFFF)
    key = seed & 0xFFFFFFFF
    for _ in range(10):
        product = left * _MULTIPLIER
        left, right = (product >> _SHIFT) ^ np.uint64(key) ^ right, product & _LOW
        key = (key + _WEYL) & 0xFFFFFFFF
    return left.astype(np.uint32), right.astype(np.uint32)


def uniform(seed: int, step: int, count: int) -> NDArray[np.float32]:
    """`count` numbers in (0, 1), odd multiples of 2⁻²⁴: element i depends on (seed, step, i) only."""
    words, _ = philox(seed, step, np.arange(count, dtype=np.uint32))
    return ((words >> np.uint32(9)).astype(np.float32) + np.float32(0.5)) * np.float32(2**-23)
