"""Typed access to the `tokenizer.ggml.*` entries of a GGUF file; errors name the key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from ..errors import TokenizerError
from .added_tokens import AddedToken
from .end_tokens import END_NAMES
from .postprocess import Frames, framing

PREFIX = "tokenizer.ggml."
CONTROL, USER_DEFINED = 3, 4
_UNKNOWN = 2
_TOKEN_TYPES = range(1, 7)
_REMEDY = "The file is damaged or was written wrongly; fetch it again."


class Metadata:
    """The entries, and the place to name in errors."""

    def __init__(self, metadata: Mapping[str, Any], where: str) -> None:
        self.entries = metadata
        self.where = where
        if not isinstance(metadata, Mapping):
            raise TokenizerError(f"must be a mapping, but is {type(metadata).__name__}", where=where)

    def fail(self, key: str, message: str, remedy: str = _REMEDY) -> NoReturn:
        raise TokenizerError(message, where=f"{self.where}: {PREFIX}{key}", remedy=remedy)

    def has(self, key: str) -> bool:
        return self.entries.get(PREFIX + key) is not None

    def text(self, key: str, default: str | None = None) -> str:
        value = self.entries.get(PREFIX + key, default)
        if not isinstance(value, str):
            self.fail(key, "the entry is missing" if value is None else "must be a string")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self.entries.get(PREFIX + key, default)
        if isinstance(value, np.generic):
            value = value.item()
        if type(value) not in (bool, int) or value not in (0, 1):
            self.fail(key, "must be a boolean")
        return bool(value)

    def token_id(self, key: str, count: int) -> int | None:
        value = self.entries.get(PREFIX + key)
        if value is None:
            return None
        number = _integer(value)
        if number is None or not 0 <= number < count:
            self.fail(key, f"must be the id of one of the {count} tokens, but is {str(value)[:40]}")
        return number

    def array(self, key: str, optional: bool = False) -> list[Any]:
        """The entry as a list; NumPy arrays become lists of Python numbers."""
        value = self.entries.get(PREFIX + key)
        if value is None and optional:
            return []
        if isinstance(value, np.ndarray):
            value = value.tolist()
        if not isinstance(value, Sequence) or isinstance(value, (str, bytes, bytearray)):
            self.fail(key, "the entry is missing" if value is None else "must be an array")
        return list(value)

    def strings(self, key: str) -> list[str]:
        values = self.array(key)
        if set(map(type, values)) - {str}:
            bad = next(i for i, value in enumerate(values) if type(value) is not str)
            self.fail(f"{key}[{bad}]", f"must be a string, but is {type(values[bad]).__name__}")
        return values

    def numbers(self, key: str, count: int) -> list[float]:
        """An array of `count` finite numbers."""
        values = self.array(key)
        if len(values) != count:
            self.fail(key, f"has {len(values)} entries for {count} tokens")
        for i, value in enumerate(values):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e30:
                self.fail(f"{key}[{i}]", f"must be a finite number, but is {str(value)[:40]}")
        return values

    def token_types(self, count: int) -> list[int]:
        """The type of every token, 1 to 6; none where the file has none."""
        types = self.array("token_type", optional=True)
        if types and len(types) != count:
            self.fail("token_type", f"has {len(types)} entries for {count} tokens")
        for i, kind in enumerate(types):
            if _integer(kind) not in _TOKEN_TYPES:
                self.fail(f"token_type[{i}]", f"must be from 1 to 6, but is {str(kind)[:40]}")
        return types

    def tokens(self) -> list[str]:
        """All tokens by id, each once."""
        tokens = self.strings("tokens")
        vocab = {token: i for i, token in enumerate(tokens)}
        if not tokens:
            self.fail("tokens", "the vocabulary is empty")
        if len(vocab) != len(tokens):
            bad = next(i for i, token in enumerate(tokens) if vocab[token] != i)
            self.fail(f"tokens[{bad}]", f"{tokens[bad][:40]!r} appears again with id {vocab[tokens[bad]]}")
        return tokens


def added_tokens(tokens: Sequence[str], types: Sequence[int], *, unknown: bool = False) -> list[AddedToken]:
    """Control tokens are special; user-defined ones are also searched in the text, but `decode` keeps them.

    - `unknown`: whether the unknown token is special, too.
    """
    added: list[AddedToken] = []
    for kind, token in zip(types, tokens, strict=False):
        control = kind == CONTROL or token in END_NAMES  # some files call them normal
        if (control or kind == USER_DEFINED or (unknown and kind == _UNKNOWN)) and token:
            added.append(AddedToken(token, special=kind != USER_DEFINED or control))
    return added


def _integer(value: object) -> int | None:
    return int(value) if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else None


def frames(source: Metadata, add_bos: bool, add_eos: bool, count: int) -> Frames:
    """The beginning and end tokens around the ids, if the file asks for them."""
    around: list[list[int]] = [[], []]
    for ids, flag, key, default in (
        (around[0], "add_bos_token", "bos_token_id", add_bos),
        (around[1], "add_eos_token", "eos_token_id", add_eos),
    ):
        named = PREFIX + key in source.entries
        if not source.flag(flag, default and named):
            continue  # an absurd id that is not used does no harm
        token_id = source.token_id(key, count)
        if token_id is None:
            source.fail(key, f"the entry is missing, but {PREFIX}{flag} is set")
        ids.append(token_id)
    return framing(*around)
