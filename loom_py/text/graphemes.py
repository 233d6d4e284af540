"""Grapheme clusters: what a reader takes for one character (Unicode Standard Annex 29), as `tokenizers` splits them.

Flags are left out: `Precompiled`, the only user, treats clusters of six bytes and more character by character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from .codeset import EVERYTHING, CodeSet
from .regex import Regex
from .regex_syntax import Choice, Node, One, Repeat, Sequence
from .unicode_tables import named_set

_JOINER = "\u200d"


def clustering(text: str) -> bool:
    """Whether any cluster of `text` may have more than one character."""
    return "\r\n" in text or (not text.isascii() and _joining().search(text) is not None)


def clusters(text: str) -> Iterator[tuple[int, int]]:
    """`(start, end)` of the clusters of more than one character."""
    return ((start, end) for start, end in _pattern().spans(text) if end - start > 1)


@cache
def _joining() -> re.Pattern[str]:
    hangul = CodeSet.union(*_hangul())
    return re.compile((named_set("grapheme_attached") | named_set("grapheme_prepend") | hangul).pattern())


@cache
def cluster_boundary() -> re.Pattern[str]:
    """Finds where a text can be cut: between two characters that join with nothing."""
    alone = f"(?!{_joining().pattern})"
    return re.compile(rf"{alone}[^\r](?={alone})", re.DOTALL)


@cache
def _hangul() -> tuple[CodeSet, CodeSet, CodeSet, CodeSet, CodeSet]:
    """Leading consonants, vowels, trailing consonants, syllables of two and of three of them."""
    leading = CodeSet((0x1100, 0x1160, 0xA960, 0xA97D))
    vowels = CodeSet((0x1160, 0x11A8, 0xD7B0, 0xD7C7))
    trailing = CodeSet((0x11A8, 0x1200, 0xD7CB, 0xD7FC))
    two = CodeSet(edge for first in range(0xAC00, 0xD7A4, 28) for edge in (first, first + 1))
    return leading, vowels, trailing, two, CodeSet((0xAC00, 0xD7A4)) - two


@cache
def _pattern() -> Regex:
    attached, control = named_set("grapheme_attached"), named_set("grapheme_control")
    extend, linker = named_set("grapheme_extend"), named_set("grapheme_linker")
    joiner = CodeSet.of(_JOINER)
    leading, vowel, trailing, two, three = _hangul()
    consonant, picture = named_set("grapheme_consonant"), named_set("grapheme_pictograph")
    vowels = _row(Choice((One(two), One(vowel))), _any_of(vowel))
    core = Choice((
        _row(_any_of(leading), Choice((vowels, One(three))), _any_of(trailing)),
        _some_of(leading),
        _some_of(trailing),
        _row(One(consonant), _repeat(_row(_any_of(attached - linker), One(linker), _any_of(attached), One(consonant)))),
        _row(One(picture), _repeat(_row(_any_of(extend - joiner), One(joiner), One(picture)))),
        One(EVERYTHING - control),
    ))  # fmt: skip
    prepend = named_set("grapheme_prepend")
    return Regex(
        Choice((
            _row(One(CodeSet.of("\r")), One(CodeSet.of("\n"))),
            One(control),
            _row(_any_of(prepend), core, _any_of(attached)),
            _some_of(prepend),
        ))
    )  # fmt: skip


def _row(*items: Node) -> Node:
    return Sequence(items)


def _repeat(item: Node) -> Node:
    return Repeat(item, 0, None, "+")


def _any_of(chars: CodeSet) -> Node:
    return Repeat(One(chars), 0, None, "+")


def _some_of(chars: CodeSet) -> Node:
    return Repeat(One(chars), 1, None, "+")
