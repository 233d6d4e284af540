"""safetensors, one file or sharded: strict about every rule of the format, and without copies.

Layout: u64 header length N (little-endian), N bytes of JSON, the data. The JSON maps tensor names to `dtype`, `shape`
and `data_offsets` (begin and end in the data); `__metadata__` maps strings to strings. By offset, tensors follow each
other without hole or overlap from the data's first byte to the file's last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..errors import FormatError
from ..schema.fields import FILE, Fields
from ..schema.foreign import HEAD_BYTES, TRUNCATED, foreign
from ..schema.strict import parse_json
from .checkpoint import TensorInfo, TensorStore
from .dtypes import SAFETENSORS_TYPES, STORAGE
from .files import read_json_file
from .source import Source

MAX_HEADER = 100_000_000
MAX_INDEX = 100_000_000
MAX_SIZE = 2**63 - 1
METADATA = "__metadata__"
_DAMAGED = "The file is truncated or damaged; fetch it again."


class SafetensorsFile(TensorStore):
    """A safetensors file; opening reads its header.

    Raises `FormatError` naming the file and the byte offset or JSON path. `metadata` is the file's `__metadata__`.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source.name)
        self.source = source
        size = source.size
        length = self._header_length()
        header = parse_json(source.read(8, length), where=self.name, max_bytes=MAX_HEADER, byte_offset=8)
        fields = Fields(header, file=self.name, rules=FILE)
        self._metadata = _metadata(fields)
        infos = [_info(fields, name) for name in header if name != METADATA]
        end = 8 + length + max((info.offset + info.nbytes for info in infos), default=0)
        if end > size:
            raise self._error(f"is truncated: its tensors end at byte {end}, the file at {size}", size, TRUNCATED)
        end = 0
        for info in sorted(infos, key=lambda info: (info.offset, info.nbytes)):
            if info.offset != end:
                fault = "overlaps the tensor before it" if info.offset < end else "leaves a hole before it"
                raise fields.error(f"begins at {info.offset} instead of {end} and {fault}", info.name, "data_offsets")
            end += info.nbytes
            place = 8 + length + info.offset
            self._tensors[info.name] = (
                TensorInfo(info.name, info.shape, info.dtype, place, info.nbytes, self.name),
                source,
            )
        if 8 + length + end != size:
            raise self._error(f"{size - 8 - length - end} bytes follow the last tensor", 8 + length + end)

    @property
    def metadata(self) -> Mapping[str, str]:
        """The file's `__metadata__`; empty where there is none."""
        return MappingProxyType(self._metadata)

    def _header_length(self) -> int:
        """The header's length; for an impossible one a `FormatError` that says what the file is instead."""
        source, size = self.source, self.source.size
        start = bytes(source.read(0, min(size, 9)))
        length = int.from_bytes(start[:8], "little")
        if 0 < length <= MAX_HEADER and (start[8:] == b"{" or size == 8):
            if 8 + length > size:
                message = f"is truncated: its header ends at byte {8 + length}, the file at {size}"
                raise self._error(message, size, TRUNCATED)
            return length
        other = foreign(source.read(0, min(size, HEAD_BYTES)), size)
        if other is not None:
            raise self._error(other.what if not size else f"{other.what}, not safetensors", 0, other.remedy)
        if size < 8:
            raise self._error(f"has {size} bytes, too few for a safetensors header", 0)
        if length > MAX_HEADER:
            message = f"begins with {start[:8]!r}, not with the length of a header"
            if start[8:] == b"{":
                message = f"claims a header of {length} bytes, more than the limit of {MAX_HEADER}"
            raise self._error(message, 0, "This is not a safetensors file, or it is damaged.")
        raise self._error("the header does not begin with '{'", 8)

    def _error(self, message: str, offset: int, remedy: str = _DAMAGED) -> FormatError:
        return FormatError(message, where=f"{self.name} at byte {offset}", remedy=remedy)


def _metadata(fields: Fields) -> dict[str, str]:
    if not fields.has(METADATA):
        return {}
    inner = fields.object(METADATA)
    return {key: inner.string(key) for key in inner.values}


def _info(root: Fields, name: str) -> TensorInfo:
    """One entry of the header, its offset relative to the data."""
    fields = root.object(name)
    dtype = fields.string("dtype")
    if dtype not in SAFETENSORS_TYPES:
        raise fields.error(f"the type {dtype[:40]!r} is not one of {', '.join(sorted(SAFETENSORS_TYPES))}", "dtype")
    shape = _sizes(fields, "shape")
    offsets = _sizes(fields, "data_offsets")
    if len(offsets) != 2:
        raise fields.error(f"must hold a begin and an end, but has {len(offsets)} numbers", "data_offsets")
    begin, end = offsets
    if end < begin:
        raise fields.error(f"ends at {end}, before it begins at {begin}", "data_offsets")
    nbytes = math.prod(shape) * STORAGE[dtype].size
    if math.prod(n for n in shape if n) > MAX_SIZE:
        raise fields.error(f"the shape {list(shape)} overflows", "shape")
    if nbytes != end - begin:
        raise fields.error(f"{dtype} of shape {list(shape)} needs {nbytes} bytes, not {end - begin}", "data_offsets")
    return TensorInfo(name, tuple(shape), dtype, begin, nbytes)


def _sizes(fields: Fields, key: str) -> list[int]:
    return fields.integers(key, maximum=MAX_SIZE)


class SafetensorsIndex(TensorStore):
    """A checkpoint in several safetensors files, held together by `model.safetensors.index.json`.

    **Arguments:**

    - `index`: the index; its `weight_map` says in which file each tensor lies.
    - `files`: file name → source, for at least every file that `weight_map` names.

    Raises `FormatError` for a file that is missing or is no plain file name, a tensor that is not in its file, and one
    that lies in two files. Tensors the index does not name are left out. `metadata` is the index's.
    """

    def __init__(self, index: Source, files: Mapping[str, Source]) -> None:
        super().__init__(index.name)
        root = Fields(read_json_file(index, max_bytes=MAX_INDEX), file=index.name, rules=FILE)
        self._metadata = root.object("metadata").values if root.has("metadata") else {}
        weight_map = root.object("weight_map")
        if not weight_map.values:
            raise root.error("names no tensors", "weight_map")
        placed = {name: _plain_name(weight_map, name) for name in weight_map.values}
        self.shards: dict[str, SafetensorsFile] = {}
        for name, file in placed.items():
            if file in self.shards:
                continue
            if file not in files:
                remedy = f"Add the file {file}."
                raise weight_map.error(f"the file {file!r} is missing", name, remedy=remedy)
            self.shards[file] = SafetensorsFile(files[file])
        places: dict[str, str] = {}
        for file, shard in self.shards.items():
            for name in shard.names():
                if name in places:
                    raise weight_map.error(f"lies in {places[name]!r} and in {file!r}", name)
                places[name] = file
        for name, file in placed.items():
            if name not in self.shards[file]:
                elsewhere = f"; it is in {places[name]!r}" if name in places else ""
                raise weight_map.error(f"is not in the file {file!r}{elsewhere}", name)
            self._tensors[name] = self.shards[file].locate(name)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The index's `metadata`, such as `total_size`."""
        return MappingProxyType(dict(self._metadata))


def _plain_name(weight_map: Fields, name: str) -> str:
    """The file of a tensor, refused unless it is a name in the same directory."""
    file = weight_map.string(name)
    plain = file.endswith(".safetensors") and len(file) <= 255 and not file.startswith(".")
    if not plain or any(c in '/\\:*?"<>|' or ord(c) < 32 or ord(c) == 127 for c in file):
        raise weight_map.error(f"{file[:60]!r} is not the plain name of a .safetensors file", name)
    return file
