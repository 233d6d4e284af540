"""Files that stay on JavaScript's side, read by Python in ranges."""

from __future__ import annotations

from typing import Any, Protocol

from ..errors import FormatError
from ..formats.source import check_range

HASH_PIECE = 4 * 1024 * 1024
READ_PIECE = 1024 * 1024
"""How much crosses at once: a large tensor would otherwise lie in JavaScript's memory and in Python's at once."""


class Reader(Protocol):
    """The JavaScript object (see `web/storage/readers.js`): `read` returns a `Uint8Array`."""

    name: str
    size: int

    def read(self, offset: int, length: int) -> Any: ...


class JsSource:
    """A `Source` over a JavaScript reader: only the range that is asked for is ever copied into Python's memory."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.name = str(reader.name)
        self.size = int(reader.size)

    def read(self, offset: int, length: int) -> memoryview:
        check_range(self, offset, length)
        whole = bytearray(length)
        for start in range(0, length, READ_PIECE):
            count = min(READ_PIECE, length - start)
            data = self._reader.read(offset + start, count)
            piece = memoryview(data.to_memoryview() if hasattr(data, "to_memoryview") else data).cast("B")
            if len(piece) != count:
                raise FormatError(
                    f"gave {start + len(piece)} of {length} bytes",
                    where=f"{self.name} at byte {offset}",
                    remedy="The file changed or vanished while it was being read; choose it again.",
                )
            whole[start : start + count] = piece
        return memoryview(whole).toreadonly()
