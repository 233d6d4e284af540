"""Reads the tokenizer in a GGUF file's metadata into the parts of a `Tokenizer`.

GGUF stores a byte-level BPE as its vocabulary, merges and token types, and names how the text is split
(`tokenizer.ggml.pre`). For each of those names this file holds what `tokenizer.json` would say about splitting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from ..errors import TokenizerError
from .added_tokens import AddedToken, AddedTokens
from .bpe import BPE, BPEOptions
from .decode_steps import ByteLevelStep
from .end_tokens import END_NAMES
from .gguf_splitting import DIGIT, SPLITTINGS
from .normalize import Normalizer, identity
from .parts import TokenizerParts
from .postprocess import Frames, framing
from .pretokenize import PreTokenizer, map_bytes, split
from .regex import cached_regex, class_regex
from .unicode_tables import named_set, normalize

_PREFIX = "tokenizer.ggml."
_CONTROL, _USER_DEFINED = 3, 4
_TOKEN_TYPES = range(1, 7)
_REMEDY = "The file is damaged or was written wrongly; fetch it again."


_NO_PRE = (
    "The file does not say how its tokenizer splits text (tokenizer.ggml.pre), so llama.cpp's default is used; "
    "some texts may get other tokens than the model was trained with."
)


def _step(pattern: str) -> PreTokenizer:
    regex = class_regex(named_set("rust_numeric")) if pattern == DIGIT else cached_regex(pattern)
    return split(regex, "Isolated")


class _Metadata:
    """Typed access to the entries; errors name the key."""

    def __init__(self, metadata: Mapping[str, Any], where: str) -> None:
        self.entries = metadata
        self.where = where
        if not isinstance(metadata, Mapping):
            raise TokenizerError(f"must be a mapping, but is {type(metadata).__name__}", where=where)

    def fail(self, key: str, message: str, remedy: str = _REMEDY) -> NoReturn:
        raise TokenizerError(message, where=f"{self.where}: {_PREFIX}{key}", remedy=remedy)

    def text(self, key: str, default: str | None = None) -> str:
        value = self.entries.get(_PREFIX + key, default)
        if not isinstance(value, str):
            self.fail(key, "the entry is missing" if value is None else "must be a string")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self.entries.get(_PREFIX + key, default)
        if isinstance(value, np.generic):
            value = value.item()
        if type(value) not in (bool, int) or value not in (0, 1):
            self.fail(key, "must be a boolean")
        return bool(value)

    def token_id(self, key: str, count: int) -> int | None:
        value = self.entries.get(_PREFIX + key)
        if value is None:
            return None
        number = _integer(value)
        if number is None or not 0 <= number < count:
            self.fail(key, f"must be the id of one of the {count} tokens, but is {str(value)[:40]}")
        return number

    def array(self, key: str, optional: bool = False) -> list[Any]:
        """The entry as a list; NumPy arrays become lists of Python numbers."""
        value = self.entries.get(_PREFIX + key)
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


def _integer(value: object) -> int | None:
    return int(value) if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else None


def read_tokenizer_gguf(metadata: Mapping[str, Any], where: str) -> TokenizerParts:
    """Raises `TokenizerError`, and nothing else, whatever the metadata holds."""
    source = _Metadata(metadata, where)
    kind = source.text("model")
    if kind != "gpt2":
        source.fail("model", f"the tokenizer {kind[:40]!r} is not supported", "Use a model with byte-level BPE (gpt2).")
    named = source.text("pre", "")
    pre = named or "default"
    if pre not in SPLITTINGS:
        remedy = "Use the model's files in the Hugging Face layout: their tokenizer.json says how text is split."
        source.fail("pre", f"the pre-tokenizer {pre[:40]!r} is not supported", remedy)
    splitting = SPLITTINGS[pre]
    tokens = source.strings("tokens")
    vocab = {token: i for i, token in enumerate(tokens)}
    if not tokens:
        source.fail("tokens", "the vocabulary is empty")
    if len(vocab) != len(tokens):
        bad = next(i for i, token in enumerate(tokens) if vocab[token] != i)
        source.fail(f"tokens[{bad}]", f"{tokens[bad][:40]!r} appears again with id {vocab[tokens[bad]]}")
    options = BPEOptions(ignore_merges=splitting.ignore_merges)
    model = BPE(vocab, _merges(source), options, lambda rank: f"{where}: {_PREFIX}merges[{rank}]")
    normalizer: Normalizer = _nfc if splitting.nfc else identity
    added = AddedTokens(_added_tokens(source, tokens), vocab.get, len(vocab), lambda text: text)
    return TokenizerParts(
        model=model,
        added=added,
        normalizer=normalizer,
        pre_tokenizer=[*map(_step, splitting.patterns), map_bytes],
        frames=_frames(source, splitting.add_bos, len(tokens)),
        decoder=[ByteLevelStep],
        notices=() if named else (_NO_PRE,),
    )


def _nfc(text: str) -> tuple[str, bool]:
    """Qwen's tokenizer.json composes characters first; GGUF does not say so, but the model was trained that way."""
    return normalize("NFC", text), True


def _merges(source: _Metadata) -> list[tuple[str, str]]:
    merges: list[tuple[str, str]] = []
    for i, merge in enumerate(source.strings("merges")):
        left, space, right = merge[:1], *merge[1:].partition(" ")[1:]
        left += merge[1:].partition(" ")[0]
        if not space or not right or " " in right:
            source.fail(f"merges[{i}]", "must be two tokens with one space between")
        merges.append((left, right))
    return merges


def _added_tokens(source: _Metadata, tokens: list[str]) -> list[AddedToken]:
    """Control tokens are special; user-defined ones are also searched in the text, but `decode` keeps them."""
    types = source.array("token_type", optional=True)
    if types and len(types) != len(tokens):
        source.fail("token_type", f"has {len(types)} entries for {len(tokens)} tokens")
    added: list[AddedToken] = []
    for i, (kind, token) in enumerate(zip(types, tokens, strict=False)):
        if _integer(kind) not in _TOKEN_TYPES:
            source.fail(f"token_type[{i}]", f"must be from 1 to 6, but is {str(kind)[:40]}")
        control = kind == _CONTROL or token in END_NAMES  # some files call them normal
        if (control or kind == _USER_DEFINED) and token:
            added.append(AddedToken(token, special=control))
    return added


def _frames(source: _Metadata, add_bos: bool, count: int) -> Frames:
    """The beginning and end tokens around the ids, if the file asks for them."""
    around: list[list[int]] = [[], []]
    for ids, flag, key, default in (
        (around[0], "add_bos_token", "bos_token_id", add_bos),
        (around[1], "add_eos_token", "eos_token_id", False),
    ):
        named = _PREFIX + key in source.entries
        if not source.flag(flag, default and named):
            continue  # an absurd id that is not used does no harm
        token_id = source.token_id(key, count)
        if token_id is None:
            source.fail(key, f"the entry is missing, but {_PREFIX}{flag} is set")
        ids.append(token_id)
    return framing(*around)
