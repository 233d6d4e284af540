"""The wire format of protocol buffers: the fields of one message, as they lie in its bytes.

https://protobuf.dev/programming-guides/encoding. Nothing here knows a schema.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ..errors import TokenizerError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_REMEDY = "The file is damaged or not what its name says; fetch it again."


def fields(data: bytes, where: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """`(number, wire type, value, end)` of every field between two places of `data`.

    The value is a whole number (of `FIXED32` and `FIXED64`: their bits), or the place where the bytes begin, which end
    at `end`. Raises `TokenizerError` with the byte.
    """
    at, stop = start, len(data) if end is None else end
    while at < stop:
        begin = at
        key, at = _varint(data, at, stop, where)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise _fault("a field has the number 0", where, begin)
        if wire == VARINT:
            value, at = _varint(data, at, stop, where)
            yield number, wire, value, at
            continue
        if wire == BYTES:
            size, at = _varint(data, at, stop, where)
        elif wire in (FIXED32, FIXED64):
            size = 4 if wire == FIXED32 else 8
        else:
            raise _fault(f"a field has the unknown wire type {wire}", where, begin)
        if size > stop - at:
            raise _fault(f"a field of {size} bytes reaches beyond the end", where, begin)
        yield number, wire, at if wire == BYTES else int.from_bytes(data[at : at + size], "little"), at + size
        at += size


_SINGLE = struct.Struct("<f")


def as_float(bits: int) -> float:
    """The number that the bits of a `FIXED32` stand for."""
    return _SINGLE.unpack(bits.to_bytes(4, "little"))[0]


def _varint(data: bytes, at: int, stop: int, where: str) -> tuple[int, int]:
    if at < stop and data[at] < 0x80:  # as nearly all are
        return data[at], at + 1
    value = shift = 0
    begin = at
    while at < stop and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
    raise _fault("a number does not end", where, begin)


def _fault(message: str, where: str, at: int) -> TokenizerError:
    return TokenizerError(message, where=f"{where} at byte {at}", remedy=_REMEDY)
