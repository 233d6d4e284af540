"""The interface of every checkpoint format: names, shapes, stored bytes, and numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import FormatError, InputError
from .dtypes import STORAGE
from .quant import can_widen, readable_types, widen
from .source import Source

ALL = slice(None)
CHUNK_BYTES = 1 << 20  # stored bytes widened at a time, which keeps temporaries at a few megabytes


@dataclass(frozen=True)
class TensorInfo:
    """Where and how a tensor is stored.

    - `shape`: row-major, as NumPy has it (GGUF's own order is the reverse).
    - `dtype`: a name of `dtypes.STORAGE`, such as `F32` or `Q4_1`.
    - `offset`, `nbytes`: its bytes, from the start of the file `file`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    offset: int
    nbytes: int
    file: str = ""

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def where(self) -> str:
        """The tensor's place, for error messages."""
        return f"{self.file} at byte {self.offset}"


class Checkpoint(Protocol):
    """A file, or several, of named tensors. Opening one reads its header only."""

    name: str

    @property
    def metadata(self) -> Mapping[str, Any]: ...

    def names(self) -> list[str]: ...

    def __contains__(self, name: object) -> bool: ...

    def info(self, name: str) -> TensorInfo: ...

    def raw(self, name: str) -> memoryview: ...

    def raw_rows(self, name: str, rows: slice = ALL) -> NDArray[np.uint8]: ...

    def view(self, name: str) -> NDArray[Any]: ...

    def load(self, name: str, dtype: DTypeLike = np.float32) -> NDArray[Any]: ...


class TensorStore:
    """The `Checkpoint` methods over tensor infos and the sources they lie in. Formats derive from it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._tensors: dict[str, tuple[TensorInfo, Source]] = {}

    def names(self) -> list[str]:
        """All tensors, in the order of the file."""
        return list(self._tensors)

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def __len__(self) -> int:
        return len(self._tensors)

    def info(self, name: str) -> TensorInfo:
        """Shape, type and place. Raises `InputError` for an unknown name."""
        return self.locate(name)[0]

    def raw(self, name: str) -> memoryview:
        """The stored bytes, read-only, without a copy where the source allows. Block layouts: see `dtypes`."""
        info, source = self.locate(name)
        return source.read(info.offset, info.nbytes)

    def raw_rows(self, name: str, rows: slice = ALL) -> NDArray[np.uint8]:
        """The bytes of consecutive rows as stored: uint8 (rows, bytes of a row); a tensor without axes is one row."""
        info, source = self.locate(name)
        kind = STORAGE[info.dtype]
        width = info.shape[-1] // kind.block * kind.size if info.shape else kind.size
        first, last, _ = rows.indices(math.prod(info.shape[:-1]))
        count = max(last - first, 0)
        return np.frombuffer(source.read(info.offset + first * width, count * width), np.uint8).reshape(count, width)

    def view(self, name: str) -> NDArray[Any]:
        """A read-only array over the stored bytes (BF16 as uint16, F8 as uint8), without a copy if possible.

        Raises `InputError` for quantised tensors, which have no NumPy type.
        """
        info, source = self.locate(name)
        numpy = STORAGE[info.dtype].numpy
        if numpy is None:
            raise InputError(
                f"the tensor {name} is stored in blocks of {info.dtype}, which NumPy has no type for",
                where=info.where,
                remedy="Use raw for the blocks or load for the numbers.",
            )
        data = source.read(info.offset, info.nbytes)
        if info.dtype == "BOOL" and info.nbytes and int(np.frombuffer(data, np.uint8).max()) > 1:
            raise FormatError(f"the BOOL tensor {name} holds bytes other than 0 and 1", where=info.where)
        return np.frombuffer(data, numpy).reshape(info.shape)

    def load(self, name: str, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """The numbers as `dtype`: a view if they are stored as that (and aligned), else a new array, widened in chunks.

        Raises `FormatError` for a block type that this package can only read raw.
        """
        info, source = self.locate(name)
        target = np.dtype(dtype)
        kind = STORAGE[info.dtype]
        if kind.numpy is not None and info.dtype not in ("BF16", "F8_E4M3", "F8_E5M2"):
            stored = self.view(name)
            with np.errstate(over="ignore", invalid="ignore"):
                return stored.astype(target, copy=not stored.flags.aligned or stored.dtype != target)
        if not can_widen(info.dtype):
            raise FormatError(
                f"the tensor {name} is stored as {info.dtype}, which this package cannot widen",
                where=info.where,
                remedy=f"Use a file in which all tensors are of these types: {readable_types()}.",
            )
        blocks = info.numel // kind.block
        out: NDArray[Any] = np.empty((blocks, kind.block), target)
        step = max(1, CHUNK_BYTES // kind.size)
        buffer = None if target == np.float32 else np.empty((min(step, blocks), kind.block), np.float32)
        for start in range(0, blocks, step):
            count = min(step, blocks - start)
            data = source.read(info.offset + start * kind.size, count * kind.size)
            chunk = out[start : start + count] if buffer is None else buffer[:count]
            widen(np.frombuffer(data, np.uint8).reshape(count, kind.size), info.dtype, chunk)
            if buffer is not None:
                with np.errstate(over="ignore", invalid="ignore"):
                    out[start : start + count] = chunk
        return out.reshape(info.shape)

    def locate(self, name: str) -> tuple[TensorInfo, Source]:
        """A tensor's info and the source of its bytes; `InputError` for an unknown name."""
        try:
            return self._tensors[name]
        except KeyError:
            raise InputError(f"there is no tensor {name!r} in this file", where=self.name) from None
