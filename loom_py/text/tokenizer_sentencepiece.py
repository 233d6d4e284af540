"""Reads SentencePiece's own file, `tokenizer.model` or `spiece.model`: a protocol buffer with tokens and switches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..errors import TokenizerError
from ..formats.source import Source
from .added_tokens import AddedToken, AddedTokens
from .charsmap import Charsmap
from .parts import TokenizerParts
from .postprocess import framing
from .protobuf import BYTES, FIXED32, VARINT, as_float, fields
from .sentencepiece import BYTE, CONTROL, NORMAL, UNKNOWN, USER_DEFINED, SentencePiece, Spaces

MAX_BYTES = 256 * 1024 * 1024
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_UNIGRAM, _BPE = 1, 2
_MODELS = {3: "whole words", 4: "single characters"}
_REMEDY = "The file is damaged or not a SentencePiece model; fetch it again."


@dataclass(frozen=True)
class Extra:
    """What stands in other files of the directory.

    - `add_bos`, `add_eos`: whether a text begins and ends with those tokens.
    - `added`: further tokens by id.
    """

    add_bos: bool = False
    add_eos: bool = False
    added: Mapping[int, AddedToken] = field(default_factory=dict[int, AddedToken])


def read_tokenizer_model(source: Source, extra: Extra | None = None) -> TokenizerParts:
    """Raises `TokenizerError`, and nothing else, whatever the file holds."""
    extra = extra or Extra()
    message = _open(source)
    vocab = _vocabulary(message)
    model = vocab.model(f"{source.name}, unk_id")
    tokens = [AddedToken(token, special=True) for token, kind in zip(vocab.tokens, vocab.kinds, strict=True)
              if kind in (CONTROL, UNKNOWN) and token]  # fmt: skip
    ids = {token.content: i for i, token in extra.added.items()}
    tokens += [token for _, token in sorted(extra.added.items()) if token.content not in model.vocab or token.special]
    added = AddedTokens(tokens, lambda text: model.vocab.get(text, ids.get(text)), len(vocab.tokens), lambda text: text)
    trainer = message.numbers(_TRAINER)
    around: list[list[int]] = []
    for wanted, key, default, name in ((extra.add_bos, 41, 1, "bos"), (extra.add_eos, 42, 2, "eos")):
        token_id = _signed(trainer.get(key, default))
        if wanted and not 0 <= token_id < len(vocab.tokens):
            raise TokenizerError(f"has no {name} token, but add_{name}_token is set", where=source.name, remedy=_REMEDY)
        around.append([token_id] if wanted else [])
    return TokenizerParts(
        model=model,
        added=added,
        normalizer=vocab.normalizer(),
        pre_tokenizer=vocab.pre_tokenizer(),
        frames=framing(*around),
        decoder=vocab.decoder(),
        parse_special=False,
    )


def read_sentencepiece(source: Source) -> SentencePiece:
    """The vocabulary alone. Raises `TokenizerError` as `read_tokenizer_model`."""
    return _vocabulary(_open(source))


def _open(source: Source) -> _Message:
    if source.size > MAX_BYTES:
        raise TokenizerError(f"{source.size} bytes are more than the limit of {MAX_BYTES}", where=source.name)
    return _Message(bytes(source.read(0, source.size)), source.name)


class _Message:
    """The top level of the file, read once."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name
        self._inner: dict[int, list[tuple[int, int]]] = {_PIECES: [], _TRAINER: [], _NORMALIZER: []}
        for number, wire, value, end in fields(data, name):
            if wire == BYTES and number in self._inner:
                self._inner[number].append((value, end))

    def of(self, number: int) -> Iterator[tuple[int, int]]:
        """Where the messages of one field begin and end."""
        return iter(self._inner[number])

    def numbers(self, number: int) -> dict[int, int]:
        """The numeric fields of a message."""
        spans = self.of(number)
        return {k: value for a, b in spans for k, wire, value, _ in fields(self.data, self.name, a, b) if wire != BYTES}

    def raw(self, number: int, inner: int) -> bytes:
        """The bytes in a field of a message."""
        raw = b""
        for a, b in self.of(number):
            for k, wire, value, end in fields(self.data, self.name, a, b):
                raw = self.data[value:end] if k == inner and wire == BYTES else raw
        return raw

    def fail(self, message: str, place: str) -> TokenizerError:
        return TokenizerError(message, where=f"{self.name}, {place}", remedy=_REMEDY)


def _vocabulary(message: _Message) -> SentencePiece:
    trainer, rules = message.numbers(_TRAINER), message.numbers(_NORMALIZER)
    kind = trainer.get(3, _UNIGRAM)
    if kind not in (_UNIGRAM, _BPE):
        what = _MODELS.get(kind, f"the type {kind}")
        raise TokenizerError(
            f"a SentencePiece model of {what} is not supported",
            where=f"{message.name}, trainer_spec.model_type",
            remedy="Use a model whose tokenizer is of type unigram or bpe.",
        )
    tokens, scores, kinds = _pieces(message)
    unknown = [i for i, of in enumerate(kinds) if of == UNKNOWN]
    if len(unknown) != 1:
        raise message.fail(f"has {len(unknown)} unknown tokens instead of one", "pieces")
    raw = message.raw(_NORMALIZER, 2)
    try:
        charsmap = Charsmap(raw) if raw else None
    except ValueError as error:
        raise message.fail(str(error), "normalizer_spec.precompiled_charsmap") from None
    symbols = frozenset(token for token, of in zip(tokens, kinds, strict=True) if of == USER_DEFINED)
    prefix, merge, escape = (bool(rules.get(key, 1)) for key in (3, 4, 5))
    spaces = Spaces(prefix, merge, escape, bool(trainer.get(24, 0)))
    fallback = bool(trainer.get(35, 0))
    return SentencePiece(tokens, scores, kinds, unknown[0], kind == _UNIGRAM, fallback, spaces, charsmap, symbols)


def _pieces(message: _Message) -> tuple[list[str], list[float], list[int]]:
    tokens: list[str] = []
    scores: list[float] = []
    kinds: list[int] = []
    seen: dict[str, int] = {}
    for i, (start, stop) in enumerate(message.of(_PIECES)):
        raw, score, kind = b"", 0.0, NORMAL
        for number, wire, value, end in fields(message.data, message.name, start, stop):
            if number == 1 and wire == BYTES:
                raw = message.data[value:end]
            elif number == 2 and wire == FIXED32:
                score = as_float(value)
            elif number == 3 and wire == VARINT:
                kind = value
        try:
            token = raw.decode()
        except UnicodeDecodeError:
            raise message.fail("is not UTF-8", f"pieces[{i}].piece") from None
        if not token:
            raise message.fail("is empty", f"pieces[{i}].piece")
        if seen.setdefault(token, i) != i:
            raise message.fail(f"{token[:40]!r} already has the id {seen[token]}", f"pieces[{i}].piece")
        if not NORMAL <= kind <= BYTE:
            raise message.fail(f"{kind} is not one of the types 1 to 6", f"pieces[{i}].type")
        if not math.isfinite(score):
            raise message.fail("expected a finite number", f"pieces[{i}].score")
        tokens.append(token)
        scores.append(score)
        kinds.append(kind)
    return tokens, scores, kinds


def _signed(value: int) -> int:
    """An int32 as protocol buffers write it, -1 as 2⁶⁴ - 1."""
    return value - 2**64 if value >= 2**63 else value
