"""The metadata of a GGUF file as a family's reader wants them: keys under the architecture's name, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import ModelError
from ..formats.checkpoint import Checkpoint
from ..schema.fields import FILE, MAX_INT, Fields
from .config import token_ids

ARCHITECTURE = "general.architecture"
POOLING = {1: "mean", 2: "cls", 3: "lasttoken"}
"""`pooling_type`: how hidden states become a text's vector; 0 is none, and 4 scores pairs of texts."""


class GGUFConfig:
    """Keys are given without the architecture: `block_count` reads `llama.block_count`.

    **Arguments:**

    - `metadata`: the file's metadata.
    - `checkpoint`: the file itself, which alone says which tensors there are.
    """

    def __init__(self, metadata: Mapping[str, Any], checkpoint: Checkpoint | None = None) -> None:
        self.where = checkpoint.name if checkpoint is not None else "GGUF metadata"
        self.checkpoint = checkpoint
        self._fields = Fields(metadata, file=self.where, rules=FILE)
        self.architecture = self._fields.string(ARCHITECTURE)
        self.tensors = frozenset(checkpoint.names()) if checkpoint is not None else frozenset[str]()

    def integer(self, key: str, default: int | None = None, *, minimum: int = 1, maximum: int = MAX_INT) -> int:
        """A whole number. Without a default the key must be there."""
        required = ... if default is None else default
        return self._fields.integer(self._key(key), default=required, minimum=minimum, maximum=maximum)

    def string(self, key: str, default: str) -> str:
        return self._fields.string(self._key(key), default=default)

    def boolean(self, key: str, default: bool) -> bool:
        return self._fields.boolean(self._key(key), default=default)

    def decimal(self, key: str, default: float | None = None, *, maximum: float = math.inf) -> float:
        """A number above 0, as its author wrote it before it became a float32."""
        required = ... if default is None else default
        return shortest_decimal(self._fields.number(self._key(key), default=required, maximum=maximum, above=0))

    def uniform(self, key: str, default: int | None = None) -> int:
        """A positive integer that some files give once a layer; a `ModelError` where layers differ."""
        name, fields = self._key(key), self._fields
        if isinstance(fields.any(name), list):
            values = fields.array(name)
            if not values or any(value != values[0] for value in values):
                raise self.unsupported("layers of different shapes are not supported", key)
            fields = Fields({name: values[0]}, file=self.where, rules=FILE)
        return fields.integer(name, default=... if default is None else default)

    def whole_numbers(self, key: str, count: int, default: int) -> list[int]:
        """`count` numbers from 0 on; one number, or the default, stands for as many equal ones."""
        name, fields = self._key(key), self._fields
        if not isinstance(fields.any(name), list):
            return [fields.integer(name, default=default, minimum=0)] * count
        values = fields.integers(name)
        if len(values) != count:
            raise fields.error(f"expected {count} numbers, one a layer, got {len(values)}", name)
        return values

    def head_shape(self) -> tuple[int, int]:
        """(query heads, size of a head): the size that the file gives, or each head's share of the width."""
        heads = self.uniform("attention.head_count")
        size = self.integer("attention.key_length", self.integer("embedding_length") // heads)
        if not size:
            raise self.unsupported(f"{heads} heads do not fit into the width", "attention.head_count")
        return heads, size

    def unsupported(self, message: str, key: str) -> ModelError:
        """The error for a model that is well described and not computed by this package."""
        return ModelError(message, where=f"{self.where} at {self._key(key)}")

    def vocabulary(self) -> dict[str, int | None]:
        """What a `config.json` says of the tokens: `vocab_size` and the ids of the special ones."""
        fields = self._fields
        tokens = len(fields.array("tokenizer.ggml.tokens", default=())) or None
        size = self.integer("vocab_size", tokens)
        config: dict[str, int | None] = {"vocab_size": size}
        for ours, theirs in (("bos", "bos"), ("eos", "eos"), ("pad", "padding")):
            # One outside the vocabulary means nothing: files have -1 and 4294967295 for "none".
            ids = token_ids(fields, f"tokenizer.ggml.{theirs}_token_id", size)
            if ids or ours != "pad":
                config[f"{ours}_token_id"] = next(iter(ids), None)
        return config

    def pooling(self) -> str:
        """How hidden states become a text's vector; "" where the file does not say."""
        return POOLING.get(self.integer("pooling_type", 0, minimum=0), "")

    def labels(self) -> dict[str, Any]:
        """What a `config.json` says of the labels of a head for texts, where the file has one."""
        key, head = "classifier.output_labels", "cls.output.weight"
        names = [str(name) for name in self._fields.array(self._key(key), default=())]
        if not names and self.checkpoint is not None and head in self.tensors:
            names = [f"LABEL_{i}" for i in range(self.checkpoint.info(head).shape[0])]
        return {"id2label": {str(i): name for i, name in enumerate(names)}} if names else {}

    def _key(self, key: str) -> str:
        return f"{self.architecture}.{key}"


def shortest_decimal(value: float | np.floating[Any]) -> float:
    """The shortest decimal with the same float32: 9.99999974e-06 is 1e-05 as its author wrote it."""
    with np.errstate(over="ignore"):
        short = float(str(np.float32(value)))
    return short if math.isfinite(short) else float(value)
