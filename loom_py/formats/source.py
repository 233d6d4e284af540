"""Where bytes come from: memory, a file, or anything that can read a range.

Readers ask a `Source` for the ranges they need, so a 4 GB checkpoint is never loaded whole.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Protocol, runtime_checkable

from ..errors import FormatError, InputError


@runtime_checkable
class Source(Protocol):
    """`size` bytes named `name`; `read` returns a read-only view, without a copy where that is possible."""

    name: str
    size: int

    def read(self, offset: int, length: int) -> memoryview: ...


def check_range(source: Source, offset: int, length: int) -> None:
    """Raises `FormatError` unless `offset … offset+length` lies inside the source."""
    if offset < 0 or length < 0 or offset + length > source.size:
        raise FormatError(
            f"needs {length} bytes but the file has {source.size}",
            where=f"{source.name} at byte {offset}",
            remedy="The file is truncated or damaged; fetch it again.",
        )


class BytesSource:
    """Bytes already in memory; views share them."""

    def __init__(self, data: bytes | bytearray | memoryview, name: str = "<bytes>") -> None:
        self._view = memoryview(data).cast("B").toreadonly()
        self.name = name
        self.size = len(self._view)

    def read(self, offset: int, length: int) -> memoryview:
        check_range(self, offset, length)
        return self._view[offset : offset + length]


class FileSource:
    """A file on disk, mapped so that pages are read when touched; read in pieces where mapping is unsupported."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.name = self.path.name
        try:
            self._file = open(self.path, "rb")  # noqa: SIM115 (kept open for the life of the source)
        except OSError as error:
            raise InputError(f"cannot be opened ({error.strerror})", where=str(path)) from error
        self.size = os.fstat(self._file.fileno()).st_size
        self._map: memoryview | None = None
        if self.size:
            try:
                self._map = memoryview(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ))
            except (OSError, ValueError):
                self._map = None  # Emscripten's file systems: fall back to seek and read

    def read(self, offset: int, length: int) -> memoryview:
        check_range(self, offset, length)
        if self._map is not None:
            return self._map[offset : offset + length]
        self._file.seek(offset)
        return memoryview(self._file.read(length))

    def close(self) -> None:
        """Close the file. Views handed out before stay valid: they keep the mapping alive."""
        self._map = None
        self._file.close()


def open_source(data: Source | bytes | bytearray | memoryview | str | os.PathLike[str], name: str = "") -> Source:
    """A `Source` for a path, a bytes-like object, or a source itself."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return BytesSource(data, name or "<bytes>")
    if isinstance(data, (str, os.PathLike)):
        return FileSource(data)
    return data
