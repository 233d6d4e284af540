"""Normalisers of `tokenizer.json`: text to text, before it is split."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from ..errors import TokenizerError
from ..schema.fields import Fields
from .byte_level import to_byte_characters
from .regex import Regex
from .regex_syntax import PatternError
from .tokenizer_fields import read_pattern, unsupported
from .unicode_tables import NormalForm, lowercase, named_set, normalize, strip_accents

# text → the normalised text, and whether its first character still comes from the first one of the original
Normalizer = Callable[[str], tuple[str, bool]]


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


def identity(text: str) -> tuple[str, bool]:
    return text, True


def build_normalizer(node: Fields | None) -> Normalizer:
    """The normaliser an object of the file describes (`None` for `null`). Raises `TokenizerError`."""
    if node is None:
        return identity
    kind = node.string("type")
    if kind in get_args(NormalForm):
        form: NormalForm = kind  # type: ignore[assignment]  # one of its literals, as the condition says
        return _whole(lambda text: normalize(form, text))
    match kind:
        case "Lowercase":
            return _whole(lowercase)
        case "ByteLevel":
            return _whole(to_byte_characters)
        case "StripAccents":
            return lambda text: (strip_accents(text), not text or bool(strip_accents(text[0])))
        case "Prepend":
            prefix = node.string("prepend")
            return _whole(lambda text: _prepended(prefix, text))
        case "Strip":
            return _strip(node.boolean("strip_left", default=...), node.boolean("strip_right", default=...))
        case "Replace":
            return build_replace(node).normalize
        case "Sequence":
            return _sequence(node)
    raise unsupported(node, f"the normalizer {kind[:40]!r}", "type")


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
        if self.regex is None:
            check_growth(len(text) + text.count(self.pattern) * len(self.content), len(text))
            return text.replace(self.pattern, self.content)
        if not text:
            return text
        try:
            self.regex.require_affordable([text])
        except OverflowError:
            raise too_slow("normalizer") from None
        try:
            return self.regex.replace(text, self.content, longest(len(text)))
        except OverflowError:
            raise _too_long() from None

    def normalize(self, text: str) -> tuple[str, bool]:
        if self.content:
            return self(text), True
        span = (0, len(self.pattern)) if text.startswith(self.pattern) else (1, 1)
        if self.regex is not None:
            span = next(self.regex.spans(text), (1, 1))
        return self(text), span[0] > 0 or span[1] == 0


def compile_regex(node: Fields, pattern: str) -> Regex:
    """A pattern of the file, or a `TokenizerError` that names its place."""
    try:
        return Regex(pattern)
    except PatternError as error:
        remedy = "Use a model whose tokenizer has a plainer pattern."
        raise node.error(str(error), "pattern", "Regex", remedy=remedy) from None


def _prepended(prefix: str, text: str) -> str:
    check_growth(len(prefix), 0)
    return prefix + text if text else text


def _whole(change: Callable[[str], str]) -> Normalizer:
    return lambda text: (change(text), True)


def _strip(left: bool, right: bool) -> Normalizer:
    space = named_set("rust_whitespace")

    def apply(text: str) -> tuple[str, bool]:
        start, end = 0, len(text)
        while left and start < end and text[start] in space:
            start += 1
        while right and end > start and text[end - 1] in space:
            end -= 1
        return text[start:end], start == 0

    return apply


MAX_STEPS = 32
"""Steps of a chain; those of published tokenizers have five at most."""


def _sequence(node: Fields) -> Normalizer:
    steps = [build_normalizer(child) for child in node.objects("normalizers", required=True)]
    if len(steps) > MAX_STEPS:
        raise node.error(f"has {len(steps)} steps, more than the limit of {MAX_STEPS}", "normalizers")

    def apply(text: str) -> tuple[str, bool]:
        kept = True
        original = len(text)
        for step in steps:
            text, still = step(text)
            check_growth(len(text), original)
            kept = kept and still
        return text, kept

    return apply
