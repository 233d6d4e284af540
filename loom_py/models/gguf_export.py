"""Writes a model as a GGUF file: planned, checked, then tensor by tensor to a file that takes the target's place."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, ModelError
from ..formats.checkpoint import TensorInfo
from ..formats.gguf_writer import TensorPlan, padding
from ..formats.narrow import narrowed
from ..formats.quantise import BLOCK, QUANTISERS, quantised
from .gguf_plan import GGUFPlan, Model, plan_gguf
from .protocols import Weight
from .weights import CheckpointWeights, as_gguf, finite_rows

Progress = Callable[[int, int, str], None]
"""Called with bytes written, bytes in all, and what was written last."""
StorageName = Literal["float32", "float16", "bfloat16", "q8_0", "q4_0", "q4_1"]
STORAGES: dict[StorageName, str] = {
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "q8_0": "Q8_0",
    "q4_0": "Q4_0",
    "q4_1": "Q4_1",
}
"""How matrices can be stored → GGUF's name of it."""


@dataclass(frozen=True)
class GGUFReport:
    """What was written: `bytes`, `tensors`, `parameters`, and the tensors by their types."""

    file: str
    architecture: str
    bytes: int
    tensors: int
    parameters: int
    types: Mapping[str, int]


def export_gguf(
    config: Mapping[str, Any],
    model: Model,
    weights: CheckpointWeights,
    target: str | os.PathLike[str],
    more: Mapping[str, Any],
    *,
    dtype: StorageName | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> GGUFReport:
    """Writes a model whose weights lie in a checkpoint.

    **Arguments:**

    - `config`: its `config.json`.
    - `more`: further metadata, such as the tokenizer's.
    - `dtype`: of matrices; as they are stored if None. Those whose rows are not whole blocks become float16 where
      others are quantised; vectors and small tables are float32.

    Raises `ModelError` for what GGUF cannot hold before anything is written, and `InputError` for a file that cannot be
    written. A file appears complete or not at all.
    """
    path = Path(target).absolute()
    if path.exists() and (path.is_dir() or not overwrite):
        remedy = "Choose another name." if path.is_dir() else "Choose another name, or ask for it to be overwritten."
        raise InputError("exists", where=str(path), remedy=remedy)
    plan = plan_gguf(config, model, lambda weight: _storage(weights, weight, dtype), more)
    total = plan.size
    path.parent.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(path.parent).free) < total:
        raise InputError(f"needs {total} bytes but {free} are free", where=str(path.parent), remedy="Make room.")
    part = path.parent / f".{path.name}.{secrets.token_hex(4)}.part"
    try:
        with open(part, "xb") as file:
            file.write(plan.header)
            for table in plan.tables.values():
                _write(file.write, np.ascontiguousarray(table, "<f4"))
            for weight, tensor in plan.weights.values():
                _write(file.write, _stored(weights, weight, tensor))
                if progress:
                    progress(file.tell(), total, tensor.name)
        os.replace(part, path)
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror or error})", where=str(path)) from error
    finally:
        part.unlink(missing_ok=True)
    return _report(path, plan, total)


def _storage(weights: CheckpointWeights, weight: Weight, dtype: StorageName | None) -> str:
    """How a matrix is stored."""
    if dtype is None:
        kinds = {info.dtype for info in weights.infos(weight.name)}
        return next(iter(kinds)) if len(kinds) == 1 and kinds <= {"F32", "F16", "BF16"} else "F32"
    whole = (weight.gguf_shape or weight.shape)[-1] % BLOCK == 0
    return STORAGES[dtype] if whole or STORAGES[dtype] not in QUANTISERS else "F16"


def _stored(weights: CheckpointWeights, weight: Weight, tensor: TensorPlan) -> NDArray[Any]:
    """The bytes of a tensor. Raises `ModelError` for numbers that are not finite, or too large for its type."""
    numbers = as_gguf(weight, weights.numbers(weight.name))
    info = weights.infos(weight.name)[0]
    if tensor.dtype in QUANTISERS:
        rows = quantised(numbers.reshape(-1, tensor.shape[-1]), tensor.dtype)
        _check_scales(rows, tensor.dtype, info)
        return rows
    return narrowed(numbers, _FLOATS[tensor.dtype], info)


_FLOATS: dict[str, Any] = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def _check_scales(rows: NDArray[np.uint8], dtype: str, info: TensorInfo) -> None:
    """Raises `ModelError` for blocks whose scales are not finite."""
    if not finite_rows(rows, dtype):
        message = f"the weight {info.name} holds numbers too large for {dtype}"
        raise ModelError(message, where=info.where, remedy="Convert to bfloat16 or float32.")


def _write(write: Callable[[Any], object], data: NDArray[Any]) -> None:
    write(data.data.cast("B") if data.size else b"")
    write(padding(data.nbytes))


def _report(path: Path, plan: GGUFPlan, total: int) -> GGUFReport:
    tensors = list(plan.tensors())
    types: dict[str, int] = {}
    for tensor in tensors:
        types[tensor.dtype] = types.get(tensor.dtype, 0) + 1
    count = sum(prod(tensor.shape) for _, tensor in plan.weights.values())
    return GGUFReport(str(path), plan.metadata["general.architecture"], total, len(tensors), count, types)
