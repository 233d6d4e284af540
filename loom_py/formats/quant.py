"""Widening stored bytes to float32: bfloat16, float8 and ggml's quantised blocks, vectorised in NumPy.

The tables in `dtypes.py` give layouts and formulas. Every formula is evaluated left to right in float32, which is what
ggml's reference implementation computes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dtypes import GGML_TYPES, STORAGE
from .quantise import BLOCK, q8_0

_INTEGERS = ("I8", "I16", "I32", "I64")
REQUANTISED_BYTES = 1 << 18  # of stored bytes at a time
Bytes = NDArray[Any]  # uint8
Floats = NDArray[np.float32]


def can_widen(dtype: str) -> bool:
    """Whether elements stored as `dtype` (a name of `dtypes.STORAGE`) can become numbers here."""
    return dtype in _DECODERS or dtype in _PLAIN


def readable_types() -> str:
    """The storages of GGUF that can become numbers, as a list for a remedy."""
    return ", ".join(name for name in GGML_TYPES.values() if name not in _INTEGERS and can_widen(name))


def widen(stored: NDArray[Any], dtype: str, out: Floats) -> None:
    """Writes the elements of whole blocks to `out`.

    **Arguments:**

    - `stored`: uint8, (blocks, bytes of a block).
    - `dtype`: how they are stored.
    - `out`: float32, (blocks, elements of a block), overwritten.
    """
    with np.errstate(all="ignore"):  # damaged scales may be infinite or NaN: they pass through as such
        if dtype in _DECODERS:
            _DECODERS[dtype](stored, out)
        else:
            out[...] = np.ascontiguousarray(stored).view(_PLAIN[dtype])


def requantise(rows: NDArray[np.uint8], dtype: str) -> NDArray[np.uint8]:
    """Rows of blocks of any kind as Q8_0: rows (R, bytes) → (R, 34 bytes for each 32 elements).

    d = max|x| / 127 rounded to float16, q = round(x / d). The error of an element is at most 1/254 of its block's
    largest (and 1/2048 of the element, from d), well below that of the 2- to 6-bit blocks it comes from.
    """
    kind = STORAGE[dtype]
    blocks = rows.shape[1] // kind.size * (kind.block // BLOCK)
    out = np.empty((len(rows), blocks, 34), np.uint8)
    step = max(1, REQUANTISED_BYTES // max(rows.shape[1], 1))
    for first in range(0, len(rows), step):
        part = np.ascontiguousarray(rows[first : first + step])
        x = np.empty((part.size // kind.size, kind.block), np.float32)
        widen(part.reshape(-1, kind.size), dtype, x)
        with np.errstate(all="ignore"):  # damaged scales make d NaN or infinite, which the reader checks
            out[first : first + step] = q8_0(x.reshape(len(part), blocks, BLOCK))
    return out.reshape(len(rows), -1)


_PLAIN = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BOOL": "|u1", "I8": "|i1", "I16": "<i2", "I32": "<i4", "I64": "<i8",
    "U8": "|u1", "U16": "<u2", "U32": "<u4", "U64": "<u8",
}  # fmt: skip


def _half(blocks: Bytes, at: int) -> Floats:
    """The float16 at byte `at` of each block, as float32 (blocks, 1)."""
    return np.ascontiguousarray(blocks[:, at : at + 2]).view("<f2").astype(np.float32)


def _nibbles(packed: Bytes, group: int, out: NDArray[Any]) -> None:
    """The nibbles of each run of `group` bytes: all low ones, then all high ones."""
    shape = (len(packed), -1, group)
    target = out.reshape(len(packed), -1, 2, group)
    np.bitwise_and(packed.reshape(shape), 15, out=target[:, :, 0], casting="unsafe")
    np.right_shift(packed.reshape(shape), 4, out=target[:, :, 1], casting="unsafe")


def _bf16(blocks: Bytes, out: Floats) -> None:
    np.left_shift(np.ascontiguousarray(blocks).view("<u2"), 16, out=out.view(np.uint32), dtype=np.uint32)


def _q4_0(blocks: Bytes, out: Floats) -> None:
    _nibbles(blocks[:, 2:], 16, out)
    out -= 8
    out *= _half(blocks, 0)


def _q4_1(blocks: Bytes, out: Floats) -> None:
    _nibbles(blocks[:, 4:], 16, out)
    out *= _half(blocks, 0)
    out += _half(blocks, 2)


def _five_bits(bits: Bytes, packed: Bytes) -> Bytes:
    q = np.empty((len(packed), 32), np.uint8)
    _nibbles(packed, 16, q)
    q |= np.unpackbits(bits, axis=1, bitorder="little") << 4
    return q


def _q5_0(blocks: Bytes, out: Floats) -> None:
    out[...] = _five_bits(blocks[:, 2:6], blocks[:, 6:])
    out -= 16
    out *= _half(blocks, 0)


def _q5_1(blocks: Bytes, out: Floats) -> None:
    out[...] = _five_bits(blocks[:, 4:8], blocks[:, 8:])
    out *= _half(blocks, 0)
    out += _half(blocks, 2)


def _q8_0(blocks: Bytes, out: Floats) -> None:
    out[...] = blocks[:, 2:].view(np.int8)
    out *= _half(blocks, 0)


def _scaled(out: Floats, scale: Floats, minimum: Floats | None = None) -> None:
    """`out · scale − minimum`, a scale for each of the equal runs of elements in a block."""
    runs = out.reshape(*scale.shape, -1)
    runs *= scale[:, :, None]
    if minimum is not None:
        runs -= minimum[:, :, None]


def _two_bits(packed: Bytes) -> Bytes:
    """Runs of 32 bytes, four 2-bit planes each: (blocks, runs, plane, 32)."""
    shifts = np.array([0, 2, 4, 6], np.uint8)[:, None]
    return (packed.reshape(len(packed), -1, 1, 32) >> shifts) & np.uint8(3)


def _q2_k(blocks: Bytes, out: Floats) -> None:
    out[...] = _two_bits(blocks[:, 16:80]).reshape(-1, 256)
    scales = blocks[:, :16]
    _scaled(out, _half(blocks, 80) * (scales & 15), _half(blocks, 82) * (scales >> 4))


def _q3_k(blocks: Bytes, out: Floats) -> None:
    n = len(blocks)
    third = np.unpackbits(blocks[:, :32, None], axis=2, bitorder="little").transpose(0, 2, 1)  # (n, 8, 32)
    q = _two_bits(blocks[:, 32:96]).reshape(n, 8, 32) | (third << 2)
    low = np.empty((n, 16), np.uint8)
    _nibbles(blocks[:, 96:104], 8, low)
    high = (blocks[:, None, 104:108] >> np.array([0, 2, 4, 6], np.uint8)[:, None]) & np.uint8(3)
    scales = (low | (high.reshape(n, 16) << 4)).astype(np.float32) - 32
    out[...] = q.reshape(n, 256)
    out -= 4
    _scaled(out, _half(blocks, 108) * scales)


def _six_bit_scales(packed: Bytes) -> tuple[Bytes, Bytes]:
    """Eight scales and eight minimums out of 12 bytes."""
    first, second, last = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    scales = np.concatenate([first & 63, (last & 15) | ((first >> 6) << 4)], axis=1)
    minimums = np.concatenate([second & 63, (last >> 4) | ((second >> 6) << 4)], axis=1)
    return scales, minimums


def _q4_k(blocks: Bytes, out: Floats) -> None:
    _nibbles(blocks[:, 16:], 32, out)
    scales, minimums = _six_bit_scales(blocks[:, 4:16])
    _scaled(out, _half(blocks, 0) * scales, _half(blocks, 2) * minimums)


def _q5_k(blocks: Bytes, out: Floats) -> None:
    q = np.empty((len(blocks), 8, 32), np.uint8)
    _nibbles(blocks[:, 48:], 32, q)
    q |= np.unpackbits(blocks[:, 16:48, None], axis=2, bitorder="little").transpose(0, 2, 1) << 4
    out[...] = q.reshape(-1, 256)
    scales, minimums = _six_bit_scales(blocks[:, 4:16])
    _scaled(out, _half(blocks, 0) * scales, _half(blocks, 2) * minimums)


def _q6_k(blocks: Bytes, out: Floats) -> None:
    q = np.empty((len(blocks), 256), np.uint8)
    _nibbles(blocks[:, :128], 64, q)
    q |= _two_bits(blocks[:, 128:192]).reshape(-1, 256) << 4
    out[...] = q
    out -= 32
    _scaled(out, _half(blocks, 208) * blocks[:, 192:208].view(np.int8))


def _q8_k(blocks: Bytes, out: Floats) -> None:
    out[...] = blocks[:, 4:260].view(np.int8)
    out *= np.ascontiguousarray(blocks[:, :4]).view("<f4")


def _e4m3_table() -> Floats:
    """float8 E4M3 (Micikevicius et al. 2022): bias 7, no infinities, only all-ones is NaN."""
    code = np.arange(256)
    exponent, fraction = (code >> 3) & 15, (code & 7) / 8.0
    value = np.where(exponent == 0, fraction * 2.0**-6, (1 + fraction) * 2.0 ** (exponent - 7))
    value[(code & 127) == 127] = np.nan
    return np.where(code & 128, -value, value).astype(np.float32)


_E4M3 = _e4m3_table()
_E5M2 = (np.arange(256, dtype=np.uint16) << 8).view(np.float16).astype(np.float32)  # the top half of a float16


def _e4m3(blocks: Bytes, out: Floats) -> None:
    out[...] = _E4M3[blocks]


def _e5m2(blocks: Bytes, out: Floats) -> None:
    out[...] = _E5M2[blocks]


_CODES = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32)
_E2M1 = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.float32)


def _looked_up(packed: Bytes, table: Floats, out: Floats) -> None:
    """Elements by their nibbles' places in a table, 32 in each 16 bytes."""
    q = np.empty(out.shape, np.uint8)
    _nibbles(packed, 16, q)
    np.take(table, q, out=out)


def _iq4_nl(blocks: Bytes, out: Floats) -> None:
    _looked_up(blocks[:, 2:], _CODES, out)
    out *= _half(blocks, 0)


def _iq4_xs(blocks: Bytes, out: Floats) -> None:
    low = np.empty((len(blocks), 8), np.uint8)
    _nibbles_in_turn(blocks[:, 4:8], low)
    words = np.ascontiguousarray(blocks[:, 2:4]).view("<u2")
    high = (words >> np.arange(0, 16, 2, dtype=np.uint16)) & 3
    scales = (low | (high.astype(np.uint8) << 4)).astype(np.float32) - 32
    _looked_up(blocks[:, 8:], _CODES, out)
    _scaled(out, _half(blocks, 0) * scales)


def _nibbles_in_turn(packed: Bytes, out: NDArray[Any]) -> None:
    """Each byte gives its low nibble, then its high one."""
    out[:, ::2] = packed & 15
    out[:, 1::2] = packed >> 4


def _mxfp4(blocks: Bytes, out: Floats) -> None:
    _looked_up(blocks[:, 1:], _E2M1, out)
    out *= np.ldexp(np.float32(1), blocks[:, :1].astype(np.int32) - 128)


_POWERS_OF_3 = np.array([1, 3, 9, 27, 81], np.uint8)[:, None]


def _tq1_0(blocks: Bytes, out: Floats) -> None:
    n = len(blocks)
    for start, stop, digits, at in ((0, 32, 5, 0), (32, 48, 5, 160), (48, 52, 4, 240)):
        q = blocks[:, None, start:stop] * _POWERS_OF_3[:digits]  # modulo 256
        out[:, at : at + digits * (stop - start)] = ((q.astype(np.uint16) * 3) >> 8).reshape(n, -1)
    out -= 1
    out *= _half(blocks, 52)


def _tq2_0(blocks: Bytes, out: Floats) -> None:
    out[...] = _two_bits(blocks[:, :64]).reshape(-1, 256)
    out -= 1
    out *= _half(blocks, 64)


_DECODERS: dict[str, Callable[[Bytes, Floats], None]] = {
    "BF16": _bf16,
    "F8_E4M3": _e4m3,
    "F8_E5M2": _e5m2,
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q8_0": _q8_0,
    "Q2_K": _q2_k,
    "Q3_K": _q3_k,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
    "Q8_K": _q8_k,
    "IQ4_NL": _iq4_nl,
    "IQ4_XS": _iq4_xs,
    "MXFP4": _mxfp4,
    "TQ1_0": _tq1_0,
    "TQ2_0": _tq2_0,
}
