"""Pre-tokenisers of `tokenizer.json`: they split a text into the words that a model encodes one by one.

A step takes the pieces so far and whether the first of them begins the text (which only `Metaspace` uses), and
returns the same. Empty pieces vanish between steps, as in `tokenizers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, get_args

from ..schema.fields import Fields
from .byte_level import to_byte_characters
from .codeset import CodeSet
from .normalize import compile_regex, too_slow
from .regex import Regex, cached_regex, class_regex, literal_regex, runs_regex
from .tokenizer_fields import MAX_ID, read_character, read_pattern, unsupported
from .unicode_scripts import split_by_script
from .unicode_tables import named_set

Pieces = tuple[list[str], bool]
PreTokenizer = Callable[[list[str], bool], Pieces]
Behavior = Literal["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]

GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2_PATTERN = LLAMA3_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}")
# llama.cpp's default for files that name no pre-tokeniser: four patterns, one after the other.
GGUF_DEFAULT_PATTERNS = (
    r"[\p{P}\$\+<=>\^~\|]+",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)",
    r"\p{N}+",
    r"[0-9][0-9][0-9]",
)


MAX_STEPS = 12
"""Steps of a chain; those of published tokenizers have six at most."""


def build_pre_tokenizer(node: Fields | None) -> list[PreTokenizer]:
    """The steps an object of the file describes (none for `null`). Raises `TokenizerError`."""
    if node is None:
        return []
    steps = _build(node)
    if len(steps) > MAX_STEPS:
        raise node.error(f"has {len(steps)} steps, more than the limit of {MAX_STEPS}")
    return steps


def _build(node: Fields) -> list[PreTokenizer]:
    kind = node.string("type")
    if kind not in _TYPES:
        raise unsupported(node, f"the pre-tokenizer {kind[:40]!r}", "type")
    return _TYPES[kind](node)


def _byte_level(node: Fields) -> list[PreTokenizer]:
    node.boolean("trim_offsets", default=...)
    return byte_level(node.boolean("add_prefix_space", default=...), node.boolean("use_regex", default=True))


def _digits(node: Fields) -> list[PreTokenizer]:
    isolated = node.boolean("individual_digits", default=...)
    return [split(class_regex(named_set("rust_numeric")), "Isolated" if isolated else "Contiguous")]


def _split(node: Fields) -> list[PreTokenizer]:
    pattern, is_regex = read_pattern(node)
    regex = compile_regex(node, pattern) if is_regex else literal_regex(pattern)
    return [split(regex, _behavior(node), invert=node.boolean("invert", default=...))]


def _whitespace(node: Fields) -> list[PreTokenizer]:
    word, space = named_set("rust_word"), named_set("rust_whitespace")
    return [split(runs_regex(word, ~CodeSet.union(word, space)), "Removed", invert=True)]


def bert_pre_tokenizer() -> list[PreTokenizer]:
    """At white space, which goes, and around punctuation."""
    space = split(class_regex(named_set("rust_whitespace")), "Removed")
    return [space, split(class_regex(named_set("punctuation")), "Isolated")]


def _sequence(node: Fields) -> list[PreTokenizer]:
    return [step for child in node.objects("pretokenizers", required=True) for step in _build(child)]


def byte_level(add_prefix_space: bool, use_regex: bool) -> list[PreTokenizer]:
    """GPT-2's: a space in front if asked, its pattern if asked, then bytes as characters (`map_bytes`, always last)."""
    steps: list[PreTokenizer] = []
    if add_prefix_space:
        steps.append(_prefix_space)
    if use_regex:
        steps.append(split(cached_regex(GPT2_PATTERN), "Isolated"))
    return [*steps, map_bytes]


def map_bytes(pieces: list[str], at_start: bool) -> Pieces:
    """Every piece in the byte alphabet."""
    return list(map(to_byte_characters, pieces)), at_start


def split(regex: Regex, behavior: Behavior, *, invert: bool = False) -> PreTokenizer:
    """Cut every piece at the matches; `behavior` says what becomes of the matched texts."""

    def one(text: str) -> list[str]:
        if behavior == "Isolated" and (whole := regex.pieces(text)) is not None:
            return whole
        flagged = _flagged(regex, text, invert)
        return [text[start:end] for start, end in _ARRANGE[behavior](flagged) if start < end]

    def step(pieces: list[str], at_start: bool) -> Pieces:
        result: list[str] = []
        try:
            regex.require_affordable(pieces)
        except OverflowError:
            raise too_slow("pre_tokenizer") from None
        for i, piece in enumerate(pieces):
            parts = one(piece)
            if i == 0 and at_start and behavior == "Removed":
                at_start = not next(_flagged(regex, piece, invert))[2]
            result += parts
        return result, at_start

    return step


def _flagged(regex: Regex, text: str, invert: bool) -> Iterator[tuple[int, int, bool]]:
    """`(start, end, is delimiter)` covering the text."""
    at = 0
    for start, end in regex.spans(text):
        if at < start:
            yield at, start, invert
        yield start, end, not invert
        at = end
    if at < len(text):
        yield at, len(text), invert


Flagged = Iterable[tuple[int, int, bool]]
Spans = list[tuple[int, int]]


def _isolated(flagged: Flagged) -> Spans:
    return [(start, end) for start, end, _ in flagged]


def _removed(flagged: Flagged) -> Spans:
    return [(start, end) for start, end, delimiter in flagged if not delimiter]


def _contiguous(flagged: Flagged) -> Spans:
    spans: Spans = []
    previous = False
    for start, end, delimiter in flagged:
        if delimiter == previous and spans:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
        previous = delimiter
    return spans


def _merged_with_previous(flagged: Flagged) -> Spans:
    spans: Spans = []
    previous = False
    for start, end, delimiter in flagged:
        if delimiter and not previous and spans:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
        previous = delimiter
    return spans


def _merged_with_next(flagged: Flagged) -> Spans:
    spans: Spans = []
    previous = False
    for start, end, delimiter in reversed(list(flagged)):
        if delimiter and not previous and spans:
            spans[-1] = (start, spans[-1][1])
        else:
            spans.append((start, end))
        previous = delimiter
    return spans[::-1]


_ARRANGE: dict[str, Callable[[Flagged], Spans]] = {
    "Isolated": _isolated,
    "Removed": _removed,
    "Contiguous": _contiguous,
    "MergedWithPrevious": _merged_with_previous,
    "MergedWithNext": _merged_with_next,
}


def metaspace_options(node: Fields) -> tuple[str, str, bool]:
    """`(replacement, prepend_scheme, split)` of a `Metaspace` object, which is also a decoder."""
    scheme = node.string("prepend_scheme", default="always", choices=("first", "never", "always"))
    if not node.boolean("add_prefix_space", default=True):
        if node.has("prepend_scheme") and scheme != "never":
            raise node.error("contradicts prepend_scheme", "add_prefix_space")
        scheme = "never"
    return read_character(node, "replacement"), scheme, node.boolean("split", default=True)


def metaspace(replacement: str, scheme: str, cut: bool) -> PreTokenizer:
    """The space as a visible character, put in front of the texts by the scheme; words begin at it."""
    regex = literal_regex(replacement)

    def step(pieces: list[str], at_start: bool) -> Pieces:
        result: list[str] = []
        for i, piece in enumerate(pieces):
            text = piece.replace(" ", replacement)
            wanted = scheme == "always" or (scheme == "first" and i == 0 and at_start)
            if wanted and not text.startswith(replacement):
                text = replacement + text
            spans = _merged_with_next(_flagged(regex, text, False)) if cut else [(0, len(text))]
            result += [text[start:end] for start, end in spans]
        return result, at_start

    return step


def _prefix_space(pieces: list[str], at_start: bool) -> Pieces:
    return [piece if piece.startswith(" ") else " " + piece for piece in pieces], at_start


def _fixed_length(length: int) -> PreTokenizer:
    def step(pieces: list[str], at_start: bool) -> Pieces:
        return [p[i : i + length] for p in pieces for i in range(0, len(p), length)], at_start

    return step


def _behavior(node: Fields, default: Behavior | None = None) -> Behavior:
    name = node.string("behavior", default=default or ..., choices=get_args(Behavior))
    return name  # type: ignore[return-value]  # one of the literals, as the reader checks


_TYPES: dict[str, Callable[[Fields], list[PreTokenizer]]] = {
    "BertPreTokenizer": lambda node: bert_pre_tokenizer(),
    "ByteLevel": _byte_level,
    "CharDelimiterSplit": lambda node: [split(literal_regex(read_character(node, "delimiter")), "Removed")],
    "Digits": _digits,
    "FixedLength": lambda node: [_fixed_length(max(node.integer("length", default=5, minimum=0, maximum=MAX_ID), 1))],
    "Metaspace": lambda node: [metaspace(*metaspace_options(node))],
    "Punctuation": lambda node: [split(class_regex(named_set("punctuation")), _behavior(node, "Isolated"))],
    "Sequence": _sequence,
    "Split": _split,
    "UnicodeScripts": lambda node: [split_by_script],
    "Whitespace": _whitespace,
    "WhitespaceSplit": lambda node: [split(class_regex(named_set("rust_whitespace")), "Removed")],
}
