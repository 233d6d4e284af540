"""A model as GGUF: the metadata and tensors that a file of it has, checked by reading them back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LoomError, ModelError
from ..formats.gguf import GGUFFile
from ..formats.gguf_writer import FILE_TYPES, TensorPlan, gguf_header, padding
from ..formats.source import BytesSource
from ..schema.fields import shown
from .protocols import Decoder, Encoder, GGUFTensors, HeadKind, Weight, WritesGGUF
from .registry import gguf_architecture, gguf_config, is_encoder, read_decoder, read_encoder
from .same_computation import same_computation

Model = Decoder | Encoder
FLOAT32_NAMES = (
    "_norm.weight",
    "ffn_gate_inp.weight",
    "position_embd.weight",
    "token_types.weight",
    "shortconv.conv.weight",
)
"""How the names of tensors end that llama.cpp wants as float32, beside all vectors."""


@dataclass(frozen=True)
class GGUFPlan:
    """What a file holds.

    - `metadata`: by their full keys.
    - `tables`: tensors beside the weights.
    - `weights`: by the names of their tensors, each with how it is stored.
    """

    metadata: Mapping[str, Any]
    tables: Mapping[str, NDArray[np.float32]]
    weights: Mapping[str, tuple[Weight, TensorPlan]]

    def tensors(self) -> Iterator[TensorPlan]:
        """All of them, in the order of the file."""
        for name, table in self.tables.items():
            yield TensorPlan(name, table.shape, "F32")
        for _, tensor in self.weights.values():
            yield tensor

    @cached_property
    def header(self) -> bytes:
        return gguf_header(self.metadata, list(self.tensors()))

    def read_back(self, name: str) -> GGUFFile:
        """The file as a reader sees it; its weights are zero."""
        data = b"".join(table.tobytes() + padding(table.nbytes) for table in self.tables.values())
        return GGUFFile(_Zeros(self.header + data, self.size, name))

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.header) + sum(t.nbytes + len(padding(t.nbytes)) for t in self.tensors())


def plan_gguf(
    config: Mapping[str, Any],
    model: Model,
    storage: Callable[[Weight], str],
    more: Mapping[str, Any],
    where: str = "config.json",
) -> GGUFPlan:
    """The file of a model.

    **Arguments:**

    - `config`: its `config.json`, called `where` in errors.
    - `storage`: how each matrix is stored; vectors and small tables are float32.
    - `more`: further metadata by their full keys, such as a tokenizer's.

    Raises `ModelError` for what GGUF has no place for.
    """
    architecture = gguf_architecture(config, where)
    if not isinstance(model, WritesGGUF):
        raise ModelError(f"writing {architecture} as GGUF is not supported", where=where)
    weights: dict[str, tuple[Weight, TensorPlan]] = {}
    for weight in model.weights():
        if not weight.gguf:
            remedy = "Leave its head out." if isinstance(model, Encoder) and model.head is not None else ""
            raise ModelError(f"GGUF has no place for the weight {weight.name}", where=where, remedy=remedy)
        shape = weight.gguf_shape or (weight.shape[0] - weight.gguf_first, *weight.shape[1:])
        small = len(shape) == 1 or weight.gguf.endswith(FLOAT32_NAMES)
        weights[weight.gguf] = weight, TensorPlan(weight.gguf, shape, "F32" if small else storage(weight))
    kinds = [tensor.dtype for _, tensor in weights.values() if len(tensor.shape) > 1 and tensor.dtype in FILE_TYPES]
    facts = model.facts
    entries = {
        "vocab_size": facts.vocab_size,
        "context_length": facts.max_position_embeddings,
        "embedding_length": facts.hidden_size,
        "block_count": facts.num_hidden_layers,
        **model.gguf_entries(),
    }
    metadata = {
        "general.architecture": architecture,
        "general.type": "model",
        "general.file_type": FILE_TYPES[max(kinds, key=kinds.count)],
        "general.quantization_version": 2,
        **{key if key.startswith("tokenizer.") else f"{architecture}.{key}": value for key, value in entries.items()},
        **more,
    }
    tables = model.gguf_tensors() if isinstance(model, GGUFTensors) else dict[str, NDArray[np.float32]]()
    plan = GGUFPlan(metadata, tables, weights)
    _check(plan, config, model, where)
    return plan


def _check(plan: GGUFPlan, config: Mapping[str, Any], model: Model, where: str) -> None:
    """Raises `ModelError` unless a model read from the file computes the same."""
    head = model.head.kind if isinstance(model, Encoder) and model.head is not None else None
    try:
        file = plan.read_back(where)
        written = gguf_config(file.metadata, file)
        again = _read(written, head)
        same = {w.gguf for w in again.weights()} == {*plan.weights} and same_computation(model, again)
    except LoomError as error:
        message = f"GGUF cannot hold the model that is described: {error.message}"
        raise ModelError(message, where=where) from error
    if same:
        return
    for key, value in config.items():
        for other in ({}, {key: None}, {key: False}):
            variant = {name: field for name, field in config.items() if name != key} | other
            if _computes(variant, head, again):
                raise ModelError(f"GGUF has no place for {key}: {shown(value)}", where=f"{where} at {key}")
    for key, value in written.items():
        if _computes({**config, key: value}, head, again):
            message = f"GGUF has no place for {key}, its readers take {shown(value)} for granted"
            raise ModelError(message, where=f"{where} at {key}")
    raise ModelError("GGUF cannot hold the model that is described: what it computes would differ", where=where)


def _computes(config: Mapping[str, Any], head: HeadKind | None, model: Model) -> bool:
    """Whether what a configuration describes computes the same as a model."""
    try:
        return same_computation(_read(config, head), model)
    except LoomError:
        return False


def _read(config: Mapping[str, Any], head: HeadKind | None) -> Model:
    return read_encoder(config, head=head) if is_encoder(config) else read_decoder(config)


class _Zeros(BytesSource):
    """A file that begins with some bytes and goes on with zeros."""

    def __init__(self, data: bytes, size: int, name: str) -> None:
        super().__init__(data, name)
        self._head, self.size = data, size

    def read(self, offset: int, length: int) -> memoryview:
        return memoryview(self._head[offset : offset + length].ljust(length, b"\0")).toreadonly()
