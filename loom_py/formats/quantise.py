"""float32 as blocks of fewer bits, as llama.cpp's reference quantises them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
BLOCK = 32


def quantised(rows: Floats, dtype: str) -> Bytes:
    """Rows of whole blocks as Q8_0, Q4_0 or Q4_1: (R, C) → (R, bytes).

    Numbers beyond float16's range make scales that are not finite.
    """
    with np.errstate(all="ignore"):
        return QUANTISERS[dtype](rows.reshape(len(rows), -1, BLOCK)).reshape(len(rows), -1)


def q8_0(x: Floats) -> Bytes:
    """d · q with d = max|x| / 127 rounded to float16 and q = round(x / d): (R, blocks, 32) → (R, blocks, 34)."""
    d = (np.abs(x).max(axis=2, keepdims=True) / 127).astype(np.float16)
    inverse = np.where(d == 0, 0, 1 / d.astype(np.float32))
    q = np.clip(np.rint(x * inverse), -127, 127).astype(np.int8)
    return _blocks(d, q.view(np.uint8))


def _q4_0(x: Floats) -> Bytes:
    """d · (q − 8), where the number of the largest size becomes q = 0."""
    largest = np.take_along_axis(x, np.abs(x).argmax(axis=2, keepdims=True), 2)
    d = largest / np.float32(-8)
    q = np.trunc(x * np.where(d == 0, 0, 1 / d) + np.float32(8.5))
    return _blocks(d.astype(np.float16), _nibbles(q))


def _q4_1(x: Floats) -> Bytes:
    """d · q + m with m the least of a block."""
    m = x.min(axis=2, keepdims=True)
    d = (x.max(axis=2, keepdims=True) - m) / np.float32(15)
    q = np.trunc((x - m) * np.where(d == 0, 0, 1 / d) + np.float32(0.5))
    return _blocks(d.astype(np.float16), m.astype(np.float16), _nibbles(q))


def _nibbles(q: Floats) -> Bytes:
    """(R, blocks, 32) → (R, blocks, 16): the first 16 are the low halves."""
    whole = np.clip(q, 0, 15).astype(np.uint8)
    return whole[..., :16] | (whole[..., 16:] << np.uint8(4))


def _blocks(*parts: NDArray[np.float16] | Bytes) -> Bytes:
    return np.concatenate([np.ascontiguousarray(part).view(np.uint8) for part in parts], axis=2)


QUANTISERS: dict[str, Callable[[Floats], Bytes]] = {"Q8_0": q8_0, "Q4_0": _q4_0, "Q4_1": _q4_1}
