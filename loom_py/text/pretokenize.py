"""Pre-tokenisers of `tokenizer.json`: they split a text into the words that a model encodes one by one.

A step takes the pieces so far and whether the first of them begins the text (which only `Metaspace` uses), and
returns the same, in steps between which one may stop. Empty pieces vanish between steps, as in `tokenizers`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice
from typing import Literal, get_args

from ..schema.fields import Fields
from .blocks import BLOCK, TURNS, listed
from .byte_level import byte_character_steps
from .codeset import CodeSet
from .normalize import compile_regex, too_slow
from .regex import Regex, cached_regex, class_regex, literal_regex, runs_regex
from .tokenizer_fields import MAX_ID, read_character, read_pattern, unsupported
from .unicode_scripts import split_by_script
from .unicode_tables import named_set

Pieces = Generator[None, None, tuple[list[str], bool]]
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


def each_piece(change: Callable[[str], Generator[None, None, list[str]]]) -> PreTokenizer:
    """A step that makes pieces of each piece."""

    def step(pieces: list[str], at_start: bool) -> Pieces:
        result: list[str] = []
        work = 0
        for piece in pieces:
            result += yield from change(piece)
            work += len(piece) + BLOCK // TURNS
            if work > BLOCK:
                work = 0
                yield
        return result, at_start

    return step


def _in_bytes(piece: str) -> Generator[None, None, list[str]]:
    return [(yield from byte_character_steps(piece))]


map_bytes = each_piece(_in_bytes)
"""Every piece in the byte alphabet."""


def split(regex: Regex, behavior: Behavior, *, invert: bool = False) -> PreTokenizer:
    """Cut every piece at the matches; `behavior` says what becomes of the matched texts."""

    isolated = behavior == "Isolated"

    def one(text: str) -> Generator[None, None, list[str]]:
        if isolated:
            whole = regex.pieces(text) if len(text) <= BLOCK else (yield from regex.pieces_steps(text))
            if whole is not None:
                return whole
        flagged = _flagged((yield from regex.spans_steps(text)), text, invert)
        return (yield from _cut(text, _ARRANGE[behavior](flagged)))

    cut = each_piece(one)

    def step(pieces: list[str], at_start: bool) -> Pieces:
        if regex.retried:
            try:
                yield from regex.affordable_steps(pieces)
            except OverflowError:
                raise too_slow("pre_tokenizer") from None
        result, _ = yield from cut(pieces, at_start)
        if at_start and pieces and behavior == "Removed":
            at_start = not next(_flagged((yield from regex.spans_steps(pieces[0])), pieces[0], invert))[2]
        return result, at_start

    return step


def _cut(text: str, spans: Iterable[tuple[int, int]]) -> Generator[None, None, list[str]]:
    """The parts of a text that are not empty."""
    parts: list[str] = []
    iterator = iter(spans)
    while some := list(islice(iterator, TURNS)):
        parts += [text[start:end] for start, end in some if start < end]
        if len(some) == TURNS:
            yield
    return parts


def _flagged(spans: Iterable[tuple[int, int]], text: str, invert: bool) -> Iterator[tuple[int, int, bool]]:
    """`(start, end, is delimiter)` covering the text."""
    at = 0
    for start, end in spans:
        if at < start:
            yield at, start, invert
        yield start, end, not invert
        at = end
    if at < len(text):
        yield at, len(text), invert


Flagged = Iterable[tuple[int, int, bool]]
Spans = Iterator[tuple[int, int]]


def _isolated(flagged: Flagged) -> Spans:
    return ((start, end) for start, end, _ in flagged)


def _removed(flagged: Flagged) -> Spans:
    return ((end if delimiter else start, end) for start, end, delimiter in flagged)


def _joined(flagged: Flagged, joins: Callable[[bool, bool], bool]) -> Spans:
    """Neighbours become one where `joins` says so, by whether each is a delimiter. An empty span for each that does."""
    first = -1
    last, previous = 0, False
    for start, end, delimiter in flagged:
        if first >= 0 and not joins(previous, delimiter):
            yield first, last
            first = -1
        if first < 0:
            first = start
        else:
            yield end, end
        last, previous = end, delimiter
    if first >= 0:
        yield first, last


def _contiguous(flagged: Flagged) -> Spans:
    return _joined(flagged, lambda left, right: left == right)


def _merged_with_previous(flagged: Flagged) -> Spans:
    return _joined(flagged, lambda left, right: right and not left)


def _merged_with_next(flagged: Flagged) -> Spans:
    return _joined(flagged, lambda left, right: left and not right)


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
            if not cut:
                result.append(text)
            else:
                flagged = _flagged((yield from regex.spans_steps(text)), text, False)
                result += yield from _cut(text, _merged_with_next(flagged))
            if not (i + 1) % TURNS:
                yield
        return result, at_start

    return step


def _prefix_space(pieces: list[str], at_start: bool) -> Pieces:
    return (yield from listed(piece if piece.startswith(" ") else " " + piece for piece in pieces)), at_start


def _fixed_length(length: int) -> PreTokenizer:
    def step(pieces: list[str], at_start: bool) -> Pieces:
        parts = (p[i : i + length] for p in pieces for i in range(0, len(p), length))
        return (yield from listed(parts)), at_start

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
