"""Writes GGUF, version 3: the header with metadata and the list of tensors; their data follows in order."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from ..errors import FormatError
from .dtypes import GGML_TYPES, STORAGE

ALIGNMENT = 32
"""Of each tensor's data, in bytes."""
FILE_TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "BF16": 32}
"""`general.file_type` of files whose matrices are mostly of a type."""
_NUMBERS = {name: number for number, name in GGML_TYPES.items()}
_U8, _I32, _U32, _F32, _BOOL, _STRING, _ARRAY = 0, 5, 4, 6, 7, 8, 9
_U32_END, _I32_END = 1 << 32, 1 << 31


@dataclass(frozen=True)
class TensorPlan:
    """A tensor to be written; `shape` is row-major."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def nbytes(self) -> int:
        kind = STORAGE[self.dtype]
        return prod(self.shape) // kind.block * kind.size


def gguf_header(metadata: Mapping[str, Any], tensors: Sequence[TensorPlan]) -> bytes:
    """Everything in front of the data, padded. Each tensor's data is to be followed by `padding`.

    Whole numbers become uint32 (int32 below 0, and in arrays), others float32, bytes an array of uint8.
    """
    parts = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(metadata))]
    for key, value in metadata.items():
        kind, data = _value(key, value)
        parts += [_text(key), struct.pack("<I", kind), data]
    offset = 0
    for tensor in tensors:
        extents = tensor.shape[::-1]
        parts.append(_text(tensor.name))
        parts.append(struct.pack(f"<I{len(extents)}QIQ", len(extents), *extents, _NUMBERS[tensor.dtype], offset))
        offset += tensor.nbytes + len(padding(tensor.nbytes))
    header = b"".join(parts)
    return header + padding(len(header))


def padding(size: int) -> bytes:
    """The zeros behind so many bytes."""
    return bytes(-size % ALIGNMENT)


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(key: str, value: Any) -> tuple[int, bytes]:
    """The number of a value's type, and the value as it is stored."""
    if isinstance(value, bool):
        return _BOOL, struct.pack("<?", value)
    if isinstance(value, int):
        if not -_I32_END <= value < _U32_END:
            raise FormatError(f"{value} is too large for GGUF", where=key)
        return (_U32, struct.pack("<I", value)) if value >= 0 else (_I32, struct.pack("<i", value))
    if isinstance(value, float):
        return _F32, struct.pack("<f", value)
    if isinstance(value, str):
        return _STRING, _text(value)
    if isinstance(value, bytes):
        return _ARRAY, struct.pack("<IQ", _U8, len(value)) + value
    return _ARRAY, _array(list(value))


def _array(values: list[Any]) -> bytes:
    """An array of texts, of floats, or of whole numbers."""
    if values and isinstance(values[0], str):
        return struct.pack("<IQ", _STRING, len(values)) + b"".join(map(_text, values))
    if values and isinstance(values[0], float):
        return struct.pack(f"<IQ{len(values)}f", _F32, len(values), *values)
    return struct.pack(f"<IQ{len(values)}i", _I32, len(values), *values)
