"""GGUF versions 2 and 3: metadata of every type, tensor infos, and tensors that stay in their blocks until loaded.

Layout (little-endian): magic `GGUF`, u32 version, u64 tensor count, u64 metadata count; the metadata (string key, u32
type, value); the tensor infos (string name, u32 axes, u64 extents innermost first, u32 type, u64 offset); padding to
`general.alignment`; the data. A string is a u64 length and UTF-8 bytes; an array a u32 element type, a u64 count and
the elements. Every declared size is checked against the rest of the file before anything of that size is allocated.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..errors import FormatError
from ..schema.foreign import HEAD_BYTES, TRUNCATED, foreign
from .checkpoint import TensorInfo, TensorStore
from .dtypes import GGML_TYPES, STORAGE, WITHDRAWN_TYPES
from .source import Source

MAGIC = b"GGUF"
MAX_HEADER = 256 * 1024 * 1024  # metadata and infos; the largest vocabularies need about 20 MB
MAX_AXES = 4
MAX_ARRAY_DEPTH = 4
MAX_KEY = 65535
MAX_TENSOR_NAME = 1024
MAX_EXTENT = 2**63 - 1
_WINDOW = 1 << 20
_DAMAGED = "The file is truncated or damaged; fetch it again."

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_BOOL, _STRING, _ARRAY = 7, 8, 9
_MIN_VALUE = {_STRING: 8, _ARRAY: 12} | {code: struct.calcsize("<" + letter) for code, letter in _SCALARS.items()}
_MIN_ENTRY = 8 + 4 + 1  # bytes of the shortest metadata entry
_MIN_INFO = 8 + 4 + 4 + 8  # bytes of the shortest tensor info


class _Reader:
    """Sequential reads of a source through a window, so that a header takes few reads and no tensor is read."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.limit = min(source.size, MAX_HEADER)
        self._window = memoryview(b"")
        self._start = 0  # file offset of the window
        self._at = 0  # position in the window

    @property
    def position(self) -> int:
        """Offset in the file of the next byte."""
        return self._start + self._at

    @property
    def left(self) -> int:
        """Bytes to the end of the file, or to the limit of a header."""
        return self.limit - self.position

    def error(self, message: str, at: int | None = None, remedy: str = _DAMAGED) -> FormatError:
        """A `FormatError` at an offset, by default the current one."""
        place = f"{self.source.name} at byte {self.position if at is None else at}"
        return FormatError(message, where=place, remedy=remedy)

    def _need(self, count: int) -> int:
        """Make `count` bytes available and move past them; returns their position in the window."""
        if count > len(self._window) - self._at:
            if count > self.left:
                if self.source.size > self.limit:
                    raise self.error(f"the header is longer than the limit of {MAX_HEADER} bytes")
                message = f"is truncated: the header needs {count} more bytes but the file ends after {self.left}"
                raise self.error(message, remedy=TRUNCATED)
            self._start, self._at = self.position, 0
            self._window = self.source.read(self._start, min(max(count, _WINDOW), self.limit - self._start))
        at = self._at
        self._at = at + count
        return at

    def scalar(self, letter: str) -> Any:
        """One number of a `struct` type."""
        return self.numbers(letter, 1)[0]

    def numbers(self, letter: str, count: int) -> list[Any]:
        """`count` numbers; the caller has compared the count with `left`."""
        at = self._need(count * struct.calcsize("<" + letter))  # may replace the window
        return list(struct.unpack_from(f"<{count}{letter}", self._window, at))

    def string(self, what: str, longest: int = MAX_HEADER) -> str:
        """A counted UTF-8 string."""
        at = self.position
        length = self.scalar("Q")
        if length > longest or length > self.left:
            raise self.error(f"{what} claims {length} bytes but {min(longest, self.left)} are possible", at)
        start = self._need(length)
        try:
            return str(self._window[start : start + length], "utf-8")
        except UnicodeDecodeError:
            raise self.error(f"{what} is not UTF-8", at + 8) from None

    def strings(self, what: str, count: int) -> list[str]:
        """`count` strings: a loop without calls while they lie in the window, since vocabularies are long."""
        result: list[str] = []
        unpack = struct.Struct("<Q").unpack_from
        while len(result) < count:
            window, at = bytes(self._window[self._at :]), 0
            end = len(window)
            try:
                while len(result) < count and at + 8 <= end:
                    (length,) = unpack(window, at)
                    if at + 8 + length > end:
                        break
                    result.append(window[at + 8 : at + 8 + length].decode("utf-8"))
                    at += 8 + length
            except UnicodeDecodeError:
                raise self.error(f"{what}[{len(result)}] is not UTF-8", self.position + at + 8) from None
            self._at += at
            if len(result) < count:  # the next one crosses the window's end: reading it refills the window
                result.append(self.string(f"{what}[{len(result)}]"))
        return result


class GGUFFile(TensorStore):
    """A GGUF file; opening reads its header, `load`/`raw` its tensors.

    **Arguments:**

    - `source`: the file.

    Raises `FormatError` (file and byte offset) unless the file is complete and consistent.

    - `version`: 2 or 3.  `alignment`: of the data, in bytes.  `data_offset`, `end`: where the data starts and ends.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source.name)
        self.source = source
        reader = _Reader(source)
        self.version = _check_version(reader)
        counts_at = reader.position
        tensors, entries = reader.numbers("Q", 2)
        if entries > reader.left // _MIN_ENTRY:
            raise reader.error(f"{entries} metadata entries do not fit into the file", counts_at + 8)
        if tensors > reader.left // _MIN_INFO:
            raise reader.error(f"{tensors} tensors do not fit into the file", counts_at)
        self._metadata = _read_metadata(reader, entries)
        self.alignment = _alignment(self._metadata, reader)
        infos = _read_infos(reader, tensors)
        self.data_offset = -(-reader.position // self.alignment) * self.alignment
        self.end = self._place(infos, reader)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Key → int, float, bool, str, or a list of them, in the order of the file."""
        return MappingProxyType(self._metadata)

    def _place(self, infos: list[tuple[TensorInfo, int]], reader: _Reader) -> int:
        """Resolve tensor offsets after checking alignment, overlap and the end of the file; where the data ends."""
        needed = max((self.data_offset + info.offset + info.nbytes for info, _ in infos if info.nbytes), default=0)
        if needed > self.source.size:
            message = f"is truncated: its tensors end at byte {needed}, the file at {self.source.size}"
            raise reader.error(message, self.source.size, TRUNCATED)
        end, before = self.data_offset, ""
        placed: dict[str, TensorInfo] = {}
        for info, info_at in sorted(infos, key=lambda item: (item[0].offset, item[0].nbytes)):
            start = self.data_offset + info.offset
            if info.offset % self.alignment:
                message = f"the data of {info.name} starts at {info.offset}, not a multiple of {self.alignment}"
                raise reader.error(message, info_at)
            if start < end and info.nbytes:
                raise reader.error(f"the data of {info.name} overlaps that of {before}", info_at)
            end, before = max(end, start + info.nbytes), info.name
            placed[info.name] = TensorInfo(info.name, info.shape, info.dtype, start, info.nbytes, self.name)
        for info, _ in infos:
            self._tensors[info.name] = (placed[info.name], self.source)
        return end


def _check_version(reader: _Reader) -> int:
    head = reader.source.read(0, min(reader.source.size, HEAD_BYTES))
    if bytes(head[:4]) != MAGIC:
        other = foreign(head, reader.source.size)
        if other is None:
            message = f"begins with {bytes(head[:4])!r}, not with the magic {MAGIC!r}"
            raise reader.error(message, 0, "This is not a GGUF file, or it is damaged.")
        raise reader.error(other.what if not head else f"{other.what}, not GGUF", 0, other.remedy)
    if reader.left < 24:
        raise reader.error(f"is truncated: has {reader.left} bytes, too few for a GGUF header", remedy=TRUNCATED)
    reader.numbers("B", 4)
    version = reader.scalar("I")
    if version in (2, 3):
        return version
    if version & 0xFFFF == 0 and version:
        raise reader.error("is big-endian", 4, "Use the little-endian file of the same model.")
    raise reader.error(f"has GGUF version {version}; 2 and 3 are read", 4, "Convert it with a current llama.cpp.")


def _read_metadata(reader: _Reader, count: int) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    for _ in range(count):
        at = reader.position
        key = reader.string("a metadata key", MAX_KEY)
        if not key:
            raise reader.error("a metadata key is empty", at)
        if key in metadata:
            raise reader.error(f"the metadata key {key!r} appears twice", at)
        metadata[key] = _read_value(reader, reader.scalar("I"), key, 0)
    return metadata


def _read_value(reader: _Reader, kind: int, what: str, depth: int) -> Any:
    at = reader.position
    if kind == _STRING:
        return reader.string(what)
    if kind != _ARRAY:
        return _numbers(reader, kind, 1, what)[0]
    if depth == MAX_ARRAY_DEPTH:
        raise reader.error(f"{what} nests arrays more than {MAX_ARRAY_DEPTH} deep", at)
    inner, count = reader.scalar("I"), reader.scalar("Q")
    if inner not in _MIN_VALUE:
        raise reader.error(f"{what} is an array of the unknown type {inner}", at)
    if count > reader.left // _MIN_VALUE[inner]:
        raise reader.error(f"{what} claims {count} elements but {reader.left} bytes are left", at + 4)
    if inner == _STRING:
        return reader.strings(what, count)
    if inner == _ARRAY:
        return [_read_value(reader, _ARRAY, f"{what}[{i}]", depth + 1) for i in range(count)]
    return _numbers(reader, inner, count, what)


def _numbers(reader: _Reader, kind: int, count: int, what: str) -> list[Any]:
    at = reader.position
    if kind not in _SCALARS:
        raise reader.error(f"{what} has the unknown type {kind}", at - 4)
    if kind != _BOOL:
        return reader.numbers(_SCALARS[kind], count)
    values = reader.numbers("B", count)
    if any(value > 1 for value in values):
        raise reader.error(f"{what} holds a boolean that is neither 0 nor 1", at)
    return [value == 1 for value in values]


def _alignment(metadata: Mapping[str, Any], reader: _Reader) -> int:
    value = metadata.get("general.alignment", 32)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 1 << 20 or value & (value - 1):
        raise reader.error(f"general.alignment must be a power of two up to 1048576, but is {value!r:.40}")
    return value


def _read_infos(reader: _Reader, count: int) -> list[tuple[TensorInfo, int]]:
    """Infos with offsets still relative to the data, and the offset in the file of each info."""
    infos: list[tuple[TensorInfo, int]] = []
    seen: set[str] = set()
    for _ in range(count):
        at = reader.position
        name = reader.string("a tensor name", MAX_TENSOR_NAME)
        if not name or name in seen:
            raise reader.error(f"the tensor name {name!r} appears twice" if name else "a tensor name is empty", at)
        seen.add(name)
        axes = reader.scalar("I")
        if axes > MAX_AXES:
            raise reader.error(f"{name} has {axes} axes, more than {MAX_AXES}", at)
        shape = tuple(reversed(reader.numbers("Q", axes)))
        number, offset = reader.scalar("I"), reader.scalar("Q")
        if number not in GGML_TYPES:
            raise _unknown_type(reader, name, number, at)
        kind = STORAGE[GGML_TYPES[number]]
        if max(shape, default=0) > MAX_EXTENT or math.prod(n for n in shape if n) > MAX_EXTENT:
            raise reader.error(f"the shape {list(shape)} of {name} overflows", at)
        if (shape[-1] if shape else 1) % kind.block:
            message = f"the rows of {name} have {shape[-1] if shape else 1} elements, not whole blocks of {kind.block}"
            raise reader.error(f"{message} ({kind.name})", at)
        nbytes = math.prod(shape) // kind.block * kind.size
        infos.append((TensorInfo(name, shape, kind.name, offset, nbytes), at))
    return infos


def _unknown_type(reader: _Reader, name: str, number: int, at: int) -> FormatError:
    if number in WITHDRAWN_TYPES:
        kind = WITHDRAWN_TYPES[number]
        plain = kind[: -len("_4_4")] if kind.count("_") > 2 else "Q4_0"
        remedy = f"Choose the {plain} file of the same model."
        return reader.error(f"{name} is stored as {kind}, which was withdrawn from GGUF", at, remedy)
    remedy = "The file is damaged, or newer than this package: choose another quantisation of the model."
    return reader.error(f"{name} has the unknown tensor type {number}", at, remedy)
