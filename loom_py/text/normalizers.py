"""The normalisers of `tokenizer.json`, by their `type`: text to text, before it is split."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from ..schema.fields import Fields
from .bert_normalizer import bert_normalizer
from .blocks import BLOCK
from .byte_level import to_byte_characters
from .charsmap import Charsmap
from .codeset import CodeSet
from .graphemes import cluster_boundary
from .normalize import Normalized, Normalizer, build_replace, check_growth, identity, in_blocks
from .tokenizer_fields import unsupported
from .unicode_tables import NormalForm, form_boundary, lowercase, named_set, normalize, strip_accents

MAX_STEPS = 32
"""Steps of a chain; those of published tokenizers have five at most."""


def build_normalizer(node: Fields | None) -> Normalizer:
    """The normaliser an object of the file describes (`None` for `null`). Raises `TokenizerError`."""
    if node is None:
        return identity
    kind = node.string("type")
    if kind not in _TYPES:
        raise unsupported(node, f"the normalizer {kind[:40]!r}", "type")
    return _TYPES[kind](node)


def precompiled_charsmap(node: Fields) -> Charsmap:
    """The map in the field `precompiled_charsmap`. Raises `TokenizerError`."""
    try:
        return Charsmap(node.base64("precompiled_charsmap"))
    except ValueError as error:
        raise node.error(str(error), "precompiled_charsmap") from None


def unicode_form(form: NormalForm) -> Normalizer:
    """The normaliser to one of Unicode's normal forms."""
    return in_blocks(lambda text: (normalize(form, text), True), form_boundary)


def _characters(change: Callable[[str], str]) -> Normalizer:
    """Of a function that makes something of each character by itself, of the first one too."""
    return in_blocks(lambda text: (change(text), True))


def _strip_accents(node: Fields) -> Normalizer:
    return in_blocks(lambda text: (strip_accents(text), not text or bool(strip_accents(text[0]))))


def _precompiled(node: Fields) -> Normalizer:
    charsmap = precompiled_charsmap(node)
    change = in_blocks(lambda text: (charsmap.by_clusters(text), True), cluster_boundary)

    def apply(text: str) -> Normalized:
        mapped, kept = yield from change(text)
        check_growth(len(mapped), len(text))
        return mapped, kept

    return apply


_NMT_REMOVED = CodeSet((0x1, 0x9, 0xB, 0xC, 0xE, 0x20, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0))
_NMT_SPACES = CodeSet.union(
    CodeSet((0x9, 0xB, 0xC, 0xE)), CodeSet((0x200B, 0x2010, 0x2028, 0x202A)), CodeSet.of(*"\u1680\u2581\ufeff\ufffd")
)
_NMT: dict[int, str | None] = dict.fromkeys(_NMT_REMOVED) | dict.fromkeys(_NMT_SPACES, " ")


def _nmt(node: Fields) -> Normalizer:
    """SentencePiece's clean-up for machine translation: control characters go, other white space becomes a space."""
    return in_blocks(lambda text: (text.translate(_NMT), not text or text[0] not in _NMT_REMOVED))


def _prepend(node: Fields) -> Normalizer:
    prefix = node.string("prepend")

    def apply(text: str) -> Normalized:
        yield from ()
        check_growth(len(prefix), 0)
        return (prefix + text if text else text), True

    return apply


def _strip(node: Fields) -> Normalizer:
    left, right = node.boolean("strip_left", default=...), node.boolean("strip_right", default=...)
    space = named_set("rust_whitespace")

    def apply(text: str) -> Normalized:
        start, end = 0, len(text)
        while left and start < end and text[start] in space:
            start += 1
            if not start % BLOCK:
                yield
        while right and end > start and text[end - 1] in space:
            end -= 1
            if not end % BLOCK:
                yield
        return text[start:end], start == 0

    return apply


def _sequence(node: Fields) -> Normalizer:
    steps = [build_normalizer(child) for child in node.objects("normalizers", required=True)]
    if len(steps) > MAX_STEPS:
        raise node.error(f"has {len(steps)} steps, more than the limit of {MAX_STEPS}", "normalizers")

    def apply(text: str) -> Normalized:
        kept = True
        original = len(text)
        for step in steps:
            text, still = yield from step(text)
            check_growth(len(text), original)
            kept = kept and still
        return text, kept

    return apply


_TYPES: dict[str, Callable[[Fields], Normalizer]] = {
    **{form: lambda node, form=form: unicode_form(form) for form in get_args(NormalForm)},
    "BertNormalizer": bert_normalizer,
    "ByteLevel": lambda node: _characters(to_byte_characters),
    "Lowercase": lambda node: _characters(lowercase),
    "Nmt": _nmt,
    "Precompiled": _precompiled,
    "Prepend": _prepend,
    "Replace": lambda node: build_replace(node).normalize,
    "Sequence": _sequence,
    "Strip": _strip,
    "StripAccents": _strip_accents,
}
