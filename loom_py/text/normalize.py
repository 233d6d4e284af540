"""What normalisers share: their type, bounds on what they may make of a text, and `Replace`, also a decoder."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator

from ..errors import TokenizerError
from ..progress import to_end
from ..schema.fields import Fields
from .blocks import blocks
from .regex import Regex
from .regex_syntax import PatternError
from .tokenizer_fields import read_pattern

Normalized = Generator[None, None, tuple[str, bool]]
"""Steps to the normalised text, and whether its first character still comes from the first one of the original."""
Normalizer = Callable[[str], Normalized]


def longest(original: int) -> int:
    """How many characters the normalised form of a text may have.

    Unicode's normal forms make at most 18 of one, but not of every one in a long text; bytes as characters make 4.
    """
    return 6 * original + 32 * min(original, 1000) + 1000


def check_growth(length: int, original: int) -> None:
    """Raises `TokenizerError` where a normaliser makes a text too long: `Replace` in a row can double it each time."""
    if length > longest(original):
        raise _too_long()


def _too_long() -> TokenizerError:
    return TokenizerError(
        "the normalizer makes a text many times as long",
        where="tokenizer.json.normalizer",
        remedy="Use a tokenizer from a source you trust.",
    )


def too_slow(part: str) -> TokenizerError:
    """The error for a pattern that would go through the same characters again and again."""
    return TokenizerError(
        "a pattern would take too long on this text",
        where=f"tokenizer.json.{part}",
        remedy="Shorten the long run of equal characters, or use a tokenizer from a source you trust.",
    )


def identity(text: str) -> Normalized:
    yield from ()
    return text, True


def in_blocks(
    change: Callable[[str], tuple[str, bool]], boundary: Callable[[], re.Pattern[str]] | None = None
) -> Normalizer:
    """A normaliser by what it makes of a short text; `boundary` finds where a text may be cut, as in `blocks`."""

    def apply(text: str) -> Normalized:
        parts: list[str] = []
        kept = True
        for part in blocks(text, None if boundary is None else boundary()):
            if parts:
                yield
            mapped, still = change(part)
            kept = kept if parts else still
            parts.append(mapped)
        return "".join(parts), kept

    return apply


def build_replace(node: Fields) -> Replace:
    """`Replace`, which is a normaliser and a decoder: every match of `pattern` becomes `content`."""
    pattern, is_regex = read_pattern(node)
    regex = compile_regex(node, pattern if is_regex else "") if is_regex or not pattern else None
    return Replace(pattern, regex, node.string("content"))


class Replace:
    """Replaces a literal text (`regex` is `None`) or a regex."""

    def __init__(self, pattern: str, regex: Regex | None, content: str) -> None:
        self.pattern = pattern
        self.regex = regex
        self.content = content

    def __call__(self, text: str) -> str:
        return to_end(self._steps(text))

    def _steps(self, text: str) -> Generator[None, None, str]:
        if self.regex is None:
            check_growth(len(text) + text.count(self.pattern) * len(self.content), len(text))
            return text.replace(self.pattern, self.content)
        if not text:
            return text
        try:
            yield from self.regex.affordable_steps([text])
        except OverflowError:
            raise too_slow("normalizer") from None
        try:
            return (yield from self.regex.replace_steps(text, self.content, longest(len(text))))
        except OverflowError:
            raise _too_long() from None

    def normalize(self, text: str) -> Normalized:
        replaced = yield from self._steps(text)
        if self.content:
            return replaced, True
        span = (0, len(self.pattern)) if text.startswith(self.pattern) else (1, 1)
        if self.regex is not None:
            span = next((yield from self.regex.spans_steps(text)), (1, 1))
        return replaced, span[0] > 0 or span[1] == 0


def compile_regex(node: Fields, pattern: str) -> Regex:
    """A pattern of the file, or a `TokenizerError` that names its place."""
    try:
        return Regex(pattern)
    except PatternError as error:
        remedy = "Use a model whose tokenizer has a plainer pattern."
        raise node.error(str(error), "pattern", "Regex", remedy=remedy) from None
