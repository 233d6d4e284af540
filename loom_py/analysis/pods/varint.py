"""Variable-length integers, and lists of integers packed as differences.

The LEB128 code of protocol buffers: seven bits a byte, the lowest first, the top bit set while more follow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import FormatError, InputError

MAX_BYTES = 10  # of 64 bits


def encode_varints(values: ArrayLike) -> bytes:
    """Encode whole numbers 0 … 2⁶⁴ − 1 as bytes, vectorised."""
    v = _integers(values, "values")
    if v.dtype.kind == "i" and (v < 0).any():
        raise InputError("is negative", where=f"values[{int(np.argmax(v < 0))}]", remedy="Use delta_pack.")
    v = v.astype(np.uint64)
    shifts = np.arange(0, 7 * MAX_BYTES, 7, dtype=np.uint64)
    groups = v[:, None] >> shifts  # (n, 10): the bits that remain at each byte
    present = groups > 0
    present[:, 0] = True
    more = np.zeros_like(present)
    more[:, :-1] = present[:, 1:]
    data = (groups & np.uint64(127)).astype(np.uint8) | (more.astype(np.uint8) << 7)
    return data[present].tobytes()


def decode_varints(data: bytes | bytearray | memoryview, where: str = "varints") -> NDArray[np.uint64]:
    """Decode bytes to numbers (n,) uint64, vectorised.

    Raises `FormatError` with the byte offset for a number cut off at the end, or beyond 64 bits.
    """
    b = np.frombuffer(data, np.uint8)
    if b.size == 0:
        return np.empty(0, np.uint64)
    ends = np.flatnonzero(b < 128)
    if ends.size == 0 or ends[-1] != b.size - 1:
        raise FormatError("the last number is cut off", where=f"{where} at byte {b.size}")
    starts = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(b.size) - np.repeat(starts, ends - starts + 1)  # each byte's place in its number
    wrong = (place >= MAX_BYTES) | ((place == MAX_BYTES - 1) & (b > 1))
    if wrong.any():
        raise FormatError("a number is beyond 64 bits", where=f"{where} at byte {int(np.argmax(wrong))}")
    parts = (b & 127).astype(np.uint64) << (7 * place).astype(np.uint64)
    return np.bitwise_or.reduceat(parts, starts)


def delta_pack(values: ArrayLike) -> bytes:
    """Encode signed 64-bit whole numbers as their differences, zigzag (0, −1, 1, −2 … → 0, 1, 2, 3 …), as varints.

    Sorted or slowly changing lists take about one byte per number. Differences wrap around at 64 bits, so every list
    round-trips.
    """
    v = _integers(values, "values")
    if v.dtype == np.uint64 and v.size and v.max() > np.iinfo(np.int64).max:
        raise InputError("is beyond 64 bits with a sign", where=f"values[{int(v.argmax())}]")
    d = np.diff(v.astype(np.int64), prepend=np.int64(0))
    return encode_varints(((d << 1) ^ (d >> 63)).view(np.uint64))


def delta_unpack(data: bytes | bytearray | memoryview, where: str = "deltas") -> NDArray[np.int64]:
    """Inverse of `delta_pack`: (n,) int64."""
    z = decode_varints(data, where)
    d = (z >> np.uint64(1)).view(np.int64) ^ -(z & np.uint64(1)).view(np.int64)
    return np.cumsum(d, dtype=np.int64)


def _integers(values: ArrayLike, where: str) -> NDArray[Any]:
    try:
        v = np.asarray(values)
        if v.dtype.kind in "fO" and isinstance(values, (list, tuple)) and all(type(n) is int for n in values):
            v = np.array(values, np.uint64)  # NumPy turns a list that needs unsigned 64-bit integers into floats
    except (ValueError, OverflowError) as error:
        raise InputError(f"expected whole numbers ({error})", where=where) from error
    if v.ndim != 1 or (v.size and v.dtype.kind not in "iu"):
        raise InputError(f"expected a vector of whole numbers of 64 bits, got {v.dtype}", where=where)
    return v if v.size else np.empty(0, np.int64)
