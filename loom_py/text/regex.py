"""Regexes over this package's own Unicode classes, run by the standard library's `re` on a compressed alphabet.

A pattern distinguishes only a handful of character classes; GPT-2's has thirteen. Every character of a text is first
replaced by the letter of its class (`str.translate`), and the pattern runs on those letters. The Unicode tables are
therefore exact, the compiled pattern is tiny, and matching costs the same for every script. Pure ASCII text skips the
translation: the same tree is compiled a second time with its sets cut down to ASCII.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import cache, cached_property
from itertools import islice

from ..progress import to_end
from .blocks import BLOCK, TURNS, changed
from .codeset import CodeSet, partition
from .regex_cost import NEWLINE, check_cost, nullable, retries, sets
from .regex_syntax import Anchor, Atomic, Choice, Look, Node, One, PatternError, Repeat, Sequence, parse
from .unicode_tables import named_set

_CACHE_LIMIT = 65536  # characters whose class is remembered
_ANY = r"[\x00-\U0010ffff]"
_AFFORDABLE, _A_CHARACTER = 2.5e8, 1000
"""Steps of backtracking in one text, altogether and for each of its characters: half a second of matching.

In one run, which is a single call, there are never more than the first of them.
"""


class _Letters(dict[int, int]):
    """Code point → code of its class letter, filled on demand."""

    def __init__(self, starts: list[int], letters: list[int]) -> None:
        super().__init__()
        self._starts = starts
        self._letters = letters

    def __missing__(self, char: int) -> int:
        if len(self) >= _CACHE_LIMIT:
            self.clear()
        letter = self._letters[bisect_right(self._starts, char) - 1]
        self[char] = letter
        return letter


class Regex:
    """A compiled pattern. `source` is Oniguruma syntax or a syntax tree. Raises `PatternError`."""

    def __init__(self, source: str | Node) -> None:
        self._node = parse(source) if isinstance(source, str) else source
        check_cost(self._node)
        self._nullable = nullable(self._node)
        self._sets = list(dict.fromkeys(sets(self._node)))
        self._retries = retries(self._node)
        try:
            self._ascii = re.compile(self._render(self._node, self._ascii_class))
        except (re.error, RecursionError, OverflowError) as error:
            raise PatternError(f"the pattern cannot be compiled ({error})") from None

    @cached_property
    def _compressed(self) -> tuple[re.Pattern[str], _Letters]:
        starts, signatures = partition(self._sets)
        alphabet = {signature: 48 + i for i, signature in enumerate(dict.fromkeys(signatures))}

        def letter_class(chars: CodeSet) -> str:
            bit = 1 << self._sets.index(chars)
            inside = [code for signature, code in alphabet.items() if signature & bit]
            return CodeSet.union(*(CodeSet((code, code + 1)) for code in inside)).pattern()

        pattern = re.compile(self._render(self._node, letter_class))
        return pattern, _Letters(starts, [alphabet[signature] for signature in signatures])

    def _ascii_class(self, chars: CodeSet) -> str:
        return (chars & CodeSet.span(0, 127)).pattern()

    def _render(self, node: Node, char_class: Callable[[CodeSet], str]) -> str:
        def render(inner: Node) -> str:
            return self._render(inner, char_class)

        match node:
            case One(chars):
                return char_class(chars)
            case Sequence(items):
                return "".join(map(render, items))
            case Choice(options):
                return f"(?:{'|'.join(map(render, options))})"
            case Repeat(item, low, high, mode):
                return f"(?:{render(item)}){{{low},{'' if high is None else high}}}{mode}"
            case Atomic(item):
                return f"(?>{render(item)})"
            case Look(item, behind, negative):
                return f"(?{'<' if behind else ''}{'!' if negative else '='}{render(item)})"
            case Anchor(kind):
                newline, word = char_class(NEWLINE), char_class(named_set("onig_word"))
                end = f"(?!{_ANY})"
                return {
                    "A": r"\A",
                    "z": end,
                    "Z": f"(?={newline}?{end})",
                    "^": rf"(?:\A|(?<={newline})(?={_ANY}))",
                    "$": f"(?:(?={newline})|{end})",
                    "b": f"(?:(?<={word})(?!{word})|(?<!{word})(?={word}))",
                    "B": f"(?:(?<={word})(?={word})|(?<!{word})(?!{word}))",
                }[kind]

    @property
    def retried(self) -> bool:
        """Whether the time for a text can grow with the square of its length."""
        return bool(self._retries)

    def require_affordable(self, texts: Iterable[str]) -> None:
        """Raises `OverflowError` before it would try the same run of characters again and again for seconds."""
        to_end(self.affordable_steps(texts))

    def affordable_steps(self, texts: Iterable[str]) -> Generator[None, None, None]:
        """`require_affordable` in steps."""
        if not self._retries:
            return
        texts = list(texts)
        limit = _AFFORDABLE + _A_CHARACTER * sum(map(len, texts))
        most = sum(len(text) ** 2 for text in texts)
        if most * sum(self._retries.values()) <= limit:
            return
        price = 0.0
        for chars, weight in self._retries.items():
            run = _run_regex(chars)
            for text in texts:
                spans = yield from run.spans_steps(text)
                while some := [(end - start) ** 2 for start, end in islice(spans, TURNS)]:
                    price += weight * sum(some)
                    if price > limit or weight * max(some) > _AFFORDABLE:
                        raise OverflowError
                    if len(some) == TURNS:
                        yield

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """`(start, end)` of the matches, left to right, without overlap."""
        return to_end(self.spans_steps(text))

    def spans_steps(self, text: str) -> Generator[None, None, Iterator[tuple[int, int]]]:
        """`spans`, after steps that prepare the text. Matches are searched as they are asked for."""
        pattern, text = yield from self._prepared(text)
        if not self._nullable:
            return (match.span() for match in pattern.finditer(text))
        return _spans_with_empty(pattern, text)

    def _prepared(self, text: str) -> Generator[None, None, tuple[re.Pattern[str], str]]:
        """The pattern to run, and the text in its alphabet."""
        if text.isascii():
            return self._ascii, text
        pattern, letters = self._compressed
        return pattern, (yield from changed(text, lambda part: part.translate(letters)))

    def pieces(self, text: str) -> list[str] | None:
        """The matched texts, where the matches cover all of `text` and none is empty; else `None`."""
        if self._nullable:
            return None
        if text.isascii():
            pieces: list[str] = self._ascii.findall(text)
            return pieces if sum(map(len, pieces)) == len(text) else None
        pattern, letters = self._compressed
        lengths = list(map(len, pattern.findall(text.translate(letters))))
        if sum(lengths) != len(text):
            return None
        at = 0
        result: list[str] = []
        for length in lengths:
            result.append(text[at : at + length])
            at += length
        return result

    def pieces_steps(self, text: str) -> Generator[None, None, list[str] | None]:
        """`pieces` of a long text in steps."""
        if self._nullable or len(text) <= BLOCK:
            return self.pieces(text)
        pattern, prepared = yield from self._prepared(text)
        matches = pattern.finditer(prepared)
        result: list[str] = []
        at = 0
        while some := [text[match.start() : match.end()] for match in islice(matches, TURNS)]:
            result += some
            length = sum(map(len, some))
            at += length
            if len(some) == TURNS or length > BLOCK:
                yield
        return result if at == len(text) else None

    def replace(self, text: str, content: str, limit: float = math.inf) -> str:
        """Every match replaced by `content`, taken literally. Raises `OverflowError` beyond `limit` characters."""
        return to_end(self.replace_steps(text, content, limit))

    def replace_steps(self, text: str, content: str, limit: float = math.inf) -> Generator[None, None, str]:
        """`replace` in steps."""
        out: list[str] = []
        at = 0
        for i, (start, end) in enumerate((yield from self.spans_steps(text))):
            if i * len(content) > limit:
                raise OverflowError
            out += (text[at:start], content)
            at = end
            if i % TURNS == TURNS - 1:
                yield
        return "".join((*out, text[at:]))


@cache
def cached_regex(source: str) -> Regex:
    """One of this package's own patterns, compiled once."""
    return Regex(source)


@cache
def class_regex(chars: CodeSet) -> Regex:
    """Any one character of a set."""
    return Regex(One(chars))


@cache
def _run_regex(chars: CodeSet) -> Regex:
    return Regex(Repeat(One(chars), 1, None, "+"))


def runs_regex(*sets: CodeSet) -> Regex:
    """A run of characters from any one of the sets."""
    return Regex(Choice(tuple(Repeat(One(chars), 1, None, "") for chars in sets)))


def literal_regex(text: str) -> Regex:
    """Exactly this text."""
    return Regex(Sequence(tuple(One(CodeSet.of(char)) for char in text)))


def _spans_with_empty(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    """In the order of `tokenizers`: an empty match right after the last one is skipped by one character."""
    at, last = 0, -1
    while at <= len(text):
        match = pattern.search(text, at)
        if match is None:
            return
        start, end = match.span()
        if start == end == last:
            at = end + 1
            continue
        at = last = end
        yield start, end
