"""Files built byte by byte, valid or deliberately invalid, without the code under test."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

from loom_py.formats.source import Source

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)


def safetensors_bytes(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """A file with this header (bytes as they are, anything else as JSON) and data; `length` lies about the header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype: str = "F32", shape: Any = (1,), offsets: Any = (0, 4), **more: Any) -> dict[str, Any]:
    """One tensor of a safetensors header."""
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


def text(value: str | bytes, length: int | None = None) -> bytes:
    """A GGUF string; `length` lies about its length."""
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw


def array(kind: int, items: Sequence[bytes], count: int | None = None) -> bytes:
    """The value of a GGUF array; `count` lies about its length."""
    return struct.pack("<IQ", kind, len(items) if count is None else count) + b"".join(items)


def pair(key: str | bytes, kind: int, value: bytes) -> bytes:
    """One metadata entry."""
    return text(key) + struct.pack("<I", kind) + value


def tensor(name: str | bytes, dims: Sequence[int], kind: int = 0, offset: int = 0, axes: int | None = None) -> bytes:
    """One tensor info; `dims` innermost first, as the file has them."""
    head = text(name) + struct.pack("<I", len(dims) if axes is None else axes)
    return head + struct.pack(f"<{len(dims)}Q", *dims) + struct.pack("<IQ", kind, offset)


def gguf_bytes(
    pairs: Sequence[bytes] = (),
    tensors: Sequence[bytes] = (),
    data: bytes = b"",
    *,
    version: int = 3,
    magic: bytes = b"GGUF",
    n_pairs: int | None = None,
    n_tensors: int | None = None,
    alignment: int = 32,
) -> bytes:
    """A GGUF file of these parts; the counts can lie."""
    counts = (len(tensors) if n_tensors is None else n_tensors, len(pairs) if n_pairs is None else n_pairs)
    head = magic + struct.pack("<IQQ", version, *counts) + b"".join(pairs) + b"".join(tensors)
    return head + (bytes(-len(head) % alignment) + data if tensors else b"")


class CountingSource:
    """A source that counts the bytes read."""

    def __init__(self, inner: Source) -> None:
        self.inner, self.name, self.size = inner, inner.name, inner.size
        self.reads: list[tuple[int, int]] = []

    def read(self, offset: int, length: int) -> memoryview:
        self.reads.append((offset, length))
        return self.inner.read(offset, length)

    @property
    def total(self) -> int:
        """Bytes read."""
        return sum(length for _, length in self.reads)
