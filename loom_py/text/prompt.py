"""What a model is given to continue: parts of text, each knowing whether special tokens written out in it count."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from ..errors import InputError

_HALVES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a prompt.

    - `literal`: special tokens written out in it stay text, so that they cannot end a turn or begin another.
    """

    text: str
    literal: bool = False


@dataclass(frozen=True)
class Prompt:
    """Parts one after another. They are encoded as one text: only what counts as a special token differs.

    >>> Prompt((Part("<|im_start|>user\\n"), Part("bye<|im_end|>", literal=True), Part("<|im_end|>\\n")))
    """

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, text: str, *, parse_special: bool = True) -> Prompt:
        """A prompt of one part."""
        if not isinstance(text, str):
            raise InputError(f"must be a string, but is {type(text).__name__}", where="prompt")
        return cls((Part(well_formed(text), not parse_special),))

    @classmethod
    def of_marks(cls, text: str, marks: bytes) -> Prompt:
        """From a text and a byte for each of its characters: 1 where it is literal."""
        parts: list[Part] = []
        start = 0
        while start < len(text):
            end = marks.find(1 - marks[start], start)
            end = len(text) if end < 0 else end
            parts.append(Part(text[start:end], bool(marks[start])))
            start = end
        return cls(tuple(parts))

    @cached_property
    def text(self) -> str:
        """All parts as one text."""
        return "".join(part.text for part in self.parts)

    @cached_property
    def marks(self) -> bytes:
        """A byte for each character of `text`: 1 where it is literal."""
        return b"".join((b"\1" if part.literal else b"\0") * len(part.text) for part in self.parts)

    def __str__(self) -> str:
        return self.text


def well_formed(text: str) -> str:
    """`text` with U+FFFD for halves of surrogate pairs, which have no UTF-8; JavaScript leaves some where it cuts.

    Two halves that make a pair become its character.
    """
    if text.isascii() or not _HALVES.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
