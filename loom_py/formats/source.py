"""Sources of bytes: memory, a file, or anything that can read a range.

Readers ask a `Source` for the ranges they need, so a 4 GB checkpoint is never loaded whole.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

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
    """A file on disk, memory-mapped; read in pieces where mapping is unsupported."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.name = self.path.name
        self._map: memoryview | None = None
        self._file: BinaryIO | None = None
        try:
            file = open(self.path, "rb")  # noqa: SIM115 (kept open where mapping is unsupported)
        except OSError as error:
            raise InputError(f"cannot be opened ({error.strerror})", where=str(path)) from error
        self.size = os.fstat(file.fileno()).st_size
        try:
            self._map = (
                memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) if self.size else memoryview(b"")
            )
            file.close()
        except (OSError, ValueError):
            self._file = file  # Emscripten's file systems: seek and read

    def read(self, offset: int, length: int) -> memoryview:
        check_range(self, offset, length)
        if self._map is not None:
            return self._map[offset : offset + length]
        if self._file is None:
            raise InputError("is closed", where=self.name)
        self._file.seek(offset)
        return memoryview(self._file.read(length))

    def close(self) -> None:
        """Close the file. Views returned before stay valid: they keep the mapping alive."""
        self._map = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self.close()


class Span:
    """A part of another source, from an offset on, as a source of its own."""

    def __init__(self, source: Source, start: int, size: int) -> None:
        check_range(source, start, size)
        self._source = source
        self._start = start
        self.name = source.name
        self.size = size

    def read(self, offset: int, length: int) -> memoryview:
        check_range(self, offset, length)
        return self._source.read(self._start + offset, length)


def open_source(data: Source | bytes | bytearray | memoryview | str | os.PathLike[str], name: str = "") -> Source:
    """A `Source` for a path, a bytes-like object, or a source itself."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return BytesSource(data, name or "<bytes>")
    if isinstance(data, (str, os.PathLike)):
        return FileSource(data)
    return data
