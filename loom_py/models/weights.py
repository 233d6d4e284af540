"""A model's weights in a checkpoint: found by name, checked by shape, then read as numbers or as stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..formats.checkpoint import ALL, Checkpoint, TensorInfo
from ..formats.dtypes import STORAGE
from ..formats.quant import can_widen, readable_types, requantise
from ..formats.scaled import SCALED
from ..runtime import Tensor
from ..runtime.device import Device
from ..runtime.stored import StoredWeight
from ..runtime.tensor import DeviceTensor
from .protocols import RowOrder, Weight
from .quantisation import UNQUANTISED

Layout = Literal["hugging_face", "gguf"]
AS_STORED = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1")
"""Storages that devices multiply as they are."""


@dataclass(frozen=True)
class _Stored:
    """A weight's tensors in the file, and how their rows come into the model's order."""

    infos: tuple[TensorInfo, ...]
    shape: tuple[int, ...]
    order: RowOrder | None
    transposed: bool
    offset: float

    @property
    def in_file_order(self) -> bool:
        """Whether the rows of a matrix come from the file as they lie there."""
        rows = prod(self.infos[0].shape[:-1])
        return len(self.infos) == 1 and self.order is None and not self.transposed and rows == self.shape[0]


class CheckpointWeights:
    """The weights that a model needs, in a checkpoint that has them all.

    **Arguments:**

    - `weights`: the model's.
    - `layout`: whose names the checkpoint uses. Hugging Face's may lack the first word of the path or have one more
      (`model.`, `transformer.`), as checkpoints of a body without its head and the reverse do.

    Raises `ModelError` for weights that are missing, of another shape, or stored in a way that cannot be read, before
    any is read.
    """

    def __init__(self, checkpoint: Checkpoint, weights: Iterable[Weight], layout: Layout) -> None:
        self.checkpoint = checkpoint
        self.layout: Layout = layout
        names = _Names(checkpoint, layout)
        self._stored: dict[str, _Stored] = {}
        for weight in weights:
            infos = tuple(map(checkpoint.info, names.find(weight)))
            transposed = layout == "hugging_face" and weight.transposed
            shape = weight.shape[::-1] if transposed else weight.shape
            if layout == "gguf" and weight.gguf_shape and len(infos) == 1:
                shape = weight.gguf_shape
            shape = (shape[0] // len(infos), *shape[1:])
            for info in infos:
                if tuple(info.shape) != shape:
                    raise ModelError(
                        f"the weight {info.name} has shape {list(info.shape)}, the configuration needs {list(shape)}",
                        where=f"{checkpoint.name} at byte {info.offset}",
                    )
            order = weight.gguf_order if layout == "gguf" else weight.order
            offset = weight.offset if layout == "hugging_face" else 0.0
            self._stored[weight.name] = _Stored(infos, weight.shape, order, transposed, offset)
        self._check_types()

    def _check_types(self) -> None:
        types = [info.dtype for stored in self._stored.values() for info in stored.infos]
        unreadable = sorted({dtype for dtype in types if not can_widen(dtype)})
        if unreadable:
            count = sum(dtype in unreadable for dtype in types)
            raise ModelError(
                f"{count} of {len(types)} weights are stored as {', '.join(unreadable)}, which cannot be read",
                where=self.checkpoint.name,
                remedy=f"Choose a file of the model whose weights are of these types only: {readable_types()}.",
            )

    def __iter__(self) -> Iterator[str]:
        """The model's names, in the order of use."""
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def infos(self, name: str) -> tuple[TensorInfo, ...]:
        """The tensors that hold a weight, mostly one."""
        return self._stored[name].infos

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a weight, as the model has it."""
        return self._stored[name].shape

    @property
    def nbytes(self) -> int:
        """Bytes of all of them in the file."""
        return sum(info.nbytes for stored in self._stored.values() for info in stored.infos)

    def device_storage(self, name: str) -> str:
        """How a device keeps a weight.

        Matrices stay as they are stored where devices multiply them so; blocks of other kinds become Q8_0, numbers of 8
        bits F16 where it holds them, others F32.
        """
        stored = self._stored[name]
        kinds = {info.dtype for info in stored.infos}
        if len(stored.shape) != 2:
            return "F32"
        if all(STORAGE[kind].quantised for kind in kinds):
            if stored.transposed:
                return "F32"
            return next(iter(kinds)) if len(kinds) == 1 and kinds <= {*AS_STORED} else "Q8_0"
        if len(kinds) == 1 and kinds <= {*AS_STORED}:
            return next(iter(kinds))
        return "F16" if kinds <= {*SCALED} else "F32"

    def device_bytes(self, name: str) -> int:
        """Bytes of a weight once a device has it by `upload`."""
        kind = STORAGE[self.device_storage(name)]
        return prod(self._stored[name].shape) // kind.block * kind.size

    def numpy_bytes(self, name: str) -> int:
        """Bytes of a weight as float32."""
        return 4 * prod(self._stored[name].shape)

    def widened(self, name: str) -> NDArray[np.float32]:
        """float32 in the model's order."""
        stored = self._stored[name]
        numbers = _joined([self.checkpoint.load(info.name) for info in stored.infos])
        weight = _ordered(stored, numbers if stored.transposed else numbers.reshape(stored.shape))
        return weight + np.float32(stored.offset) if stored.offset else weight

    def numbers(self, name: str) -> NDArray[np.float32]:
        """float32, contiguous. Raises `ModelError` for NaN or infinity."""
        weight = self.widened(name)
        if not np.isfinite(weight).all():
            raise self._not_finite(name)
        return np.ascontiguousarray(weight, dtype=np.float32)

    def upload(self, name: str, device: Device) -> StoredWeight:
        """The weight in a device's memory, as `device_storage` says. Raises `ModelError` for NaN or infinity."""
        stored = self._stored[name]
        storage, kinds = self.device_storage(name), [info.dtype for info in stored.infos]
        if len(stored.shape) != 2 or (storage in ("F32", "F16") and {*kinds} != {storage}):
            return StoredWeight(_upload(device, self.numbers(name), len(stored.shape), storage == "F16"))
        if stored.in_file_order:
            return StoredWeight(device.upload_stored(_RowsInFile(self, name, storage), storage, stored.shape))
        rows = _joined([self.stored_rows(name, storage, part) for part in range(len(stored.infos))])
        if stored.transposed:
            elements = rows.reshape(*stored.shape[::-1], -1).swapaxes(0, 1)
            rows = np.ascontiguousarray(elements).reshape(len(elements), -1)
        else:
            rows = _ordered(stored, rows)
        return StoredWeight(device.upload_stored(rows, storage, stored.shape))

    def stored_rows(self, name: str, storage: str, part: int = 0, rows: slice = ALL) -> NDArray[np.uint8]:
        """Rows of one tensor of a matrix as a device gets them, in the file's order.

        Raises `ModelError` for NaN or infinity.
        """
        info = self._stored[name].infos[part]
        raw = self.checkpoint.raw_rows(info.name, rows)
        stored = raw if info.dtype == storage else requantise(raw, info.dtype)
        if not finite_rows(stored, storage):
            raise self._not_finite(name)
        return stored

    def _not_finite(self, name: str) -> ModelError:
        info = self.infos(name)[0]
        where = f"{self.checkpoint.name} at byte {info.offset}"
        return ModelError(f"the weight {info.name} holds NaN or infinity", where=where)


@dataclass(frozen=True)
class _RowsInFile:
    """A weight's `StoredRows`, read when a device asks for them, so that Python's heap never holds a whole matrix."""

    weights: CheckpointWeights
    name: str
    storage: str

    @property
    def shape(self) -> tuple[int, int]:
        (rows, elements), kind = self.weights.shape(self.name), STORAGE[self.storage]
        return rows, elements // kind.block * kind.size

    def __getitem__(self, rows: slice, /) -> NDArray[np.uint8]:
        return self.weights.stored_rows(self.name, self.storage, rows=rows)


def has_weight(checkpoint: Checkpoint, weight: Weight, layout: Layout) -> bool:
    """Whether a checkpoint has a weight, under any of its names."""
    return _Names(checkpoint, layout).has(weight)


def as_hugging_face(weight: Weight, numbers: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Numbers in the model's order → the tensors in which Hugging Face stores them, by name."""
    numbers = _unordered(weight.order, numbers)
    if weight.offset:
        numbers = numbers - np.float32(weight.offset)
    if weight.parts:
        return dict(zip(weight.parts, np.split(numbers, len(weight.parts)), strict=True))
    return {weight.name: numbers.T if weight.transposed else numbers}


def as_gguf(weight: Weight, numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Numbers in the model's order → as GGUF stores them."""
    rows = _unordered(weight.gguf_order, numbers)[weight.gguf_first :]
    return rows.reshape(weight.gguf_shape) if weight.gguf_shape else rows


def check_weights(weights: Mapping[str, Tensor | StoredWeight], needed: Iterable[Weight]) -> None:
    """Raises `ModelError` unless every weight that a model needs is there with its shape."""
    for weight in needed:
        if weight.name not in weights:
            raise ModelError(f"the weight {weight.name} is missing")
        shape = tuple(weights[weight.name].shape)
        if shape != weight.shape:
            raise ModelError(f"the weight {weight.name} has shape {list(shape)}, expected {list(weight.shape)}")


class _Names:
    """Which tensor of a checkpoint a weight is."""

    def __init__(self, checkpoint: Checkpoint, layout: Layout) -> None:
        self.checkpoint = checkpoint
        self.gguf = layout == "gguf"
        self._shortened = {name.partition(".")[2]: name for name in checkpoint.names()}

    def find(self, weight: Weight) -> list[str]:
        if self.gguf:
            parts = weight.gguf_parts if weight.gguf not in self.checkpoint else ()
            apart = any(name in self.checkpoint for name in parts)
            return [self._find(weight, name) for name in (parts if apart else (weight.gguf,))]
        for alias in (weight.name, *weight.aliases) if weight.aliases else ():
            if match := self._match(alias):
                return [match]
        return [self._find(weight, name) for name in weight.parts or (weight.name,)]

    def has(self, weight: Weight) -> bool:
        """Whether the checkpoint has a weight, or the first part of it."""
        names = (weight.gguf,) if self.gguf else (*(weight.parts[:1] or (weight.name,)), *weight.aliases)
        return any(self._match(name) for name in names if name)

    def _match(self, name: str) -> str:
        """The tensor of a name, which Hugging Face's may lack the first word of, or have one more; "" for none."""
        if name in self.checkpoint:
            return name
        shorter = name.partition(".")[2]
        if self.gguf or not shorter:
            return ""
        return shorter if shorter in self.checkpoint else self._shortened.get(name, "")

    def _find(self, weight: Weight, name: str) -> str:
        if match := self._match(name):
            return match
        where = self.checkpoint.name
        if self.gguf and not name:
            raise ModelError(f"GGUF has no place for the weight {weight.name}", where=where)
        packed = f"{name.removesuffix('.weight')}.qweight"
        if packed in self.checkpoint:
            message = f"the weight {name} is packed as {packed}, which GPTQ and AWQ write and is not read"
            raise ModelError(message, where=where, remedy=UNQUANTISED)
        raise ModelError(f"the weight {name} is missing", where=where)


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _ordered(stored: _Stored, rows: NDArray[Any]) -> NDArray[Any]:
    if stored.transposed:
        return rows.T
    return rows if stored.order is None else stored.order(rows)


def _unordered(order: RowOrder | None, rows: NDArray[Any]) -> NDArray[Any]:
    """Rows in the model's order → in the file's."""
    return rows if order is None else rows[np.argsort(order(np.arange(len(rows))))]


def _upload(device: Device, weight: NDArray[np.float32], axes: int, narrow: bool) -> DeviceTensor:
    if axes != 2:
        return device.upload(weight)
    if narrow and np.abs(weight).max(initial=0) <= np.finfo(np.float16).max:
        half = weight.astype("<f2")
        return device.upload_stored(half.view(np.uint8).reshape(len(half), -1), "F16", weight.shape)
    return device.upload_stored(weight.view(np.uint8).reshape(len(weight), -1), "F32", weight.shape)


def finite_rows(rows: NDArray[np.uint8], storage: str) -> bool:
    """Whether all numbers (or the scales of all blocks) are finite."""
    data = np.ascontiguousarray(rows)
    if storage == "BF16":
        return not bool(((data.view("<u2") & 0x7F80) == 0x7F80).any())
    if storage in ("F32", "F16"):
        return bool(np.isfinite(data.view("<f4" if storage == "F32" else "<f2")).all())
    blocks = data.reshape(-1, STORAGE[storage].size)[:, : 4 if storage == "Q4_1" else 2]
    return bool(np.isfinite(np.ascontiguousarray(blocks).view("<f2")).all())
