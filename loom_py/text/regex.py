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
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from itertools import combinations

from .codeset import CodeSet, partition
from .regex_syntax import Anchor, Atomic, Choice, Look, Node, One, PatternError, Repeat, Sequence, parse
from .unicode_tables import named_set

_CACHE_LIMIT = 65536  # characters whose class is remembered
_NEWLINE = CodeSet.of("\n")
_ANY = r"[\x00-\U0010ffff]"
_MAX_WAYS = 10_000


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
        self._nullable = _nullable(self._node)
        self._sets = list(dict.fromkeys(_sets(self._node)))
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
                newline, word = char_class(_NEWLINE), char_class(named_set("onig_word"))
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

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """`(start, end)` of the matches, left to right, without overlap."""
        if text.isascii():
            pattern = self._ascii
        else:
            pattern, letters = self._compressed
            text = text.translate(letters)
        if not self._nullable:
            return (match.span() for match in pattern.finditer(text))
        return _spans_with_empty(pattern, text)

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

    def replace(self, text: str, content: str, limit: float = math.inf) -> str:
        """Every match replaced by `content`, taken literally. Raises `OverflowError` beyond `limit` characters."""
        out: list[str] = []
        at = 0
        for i, (start, end) in enumerate(self.spans(text)):
            if i * len(content) > limit:
                raise OverflowError
            out += (text[at:start], content)
            at = end
        return "".join((*out, text[at:]))


@cache
def cached_regex(source: str) -> Regex:
    """One of this package's own patterns, compiled once."""
    return Regex(source)


@cache
def class_regex(chars: CodeSet) -> Regex:
    """Any one character of a set."""
    return Regex(One(chars))


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


def _children(node: Node) -> tuple[Node, ...]:
    match node:
        case Sequence(items):
            return items
        case Choice(options):
            return options
        case Repeat(item) | Atomic(item) | Look(item):
            return (item,)
    return ()


def _sets(node: Node) -> Iterator[CodeSet]:
    if isinstance(node, One):
        yield node.chars
    elif isinstance(node, Anchor):
        yield from (_NEWLINE, named_set("onig_word"))
    for child in _children(node):
        yield from _sets(child)


def _nullable(node: Node) -> bool:
    match node:
        case One():
            return False
        case Sequence(items):
            return all(map(_nullable, items))
        case Choice(options):
            return any(map(_nullable, options))
        case Repeat(item, low):
            return low == 0 or _nullable(item)
        case Atomic(item):
            return _nullable(item)
    return True


def _first(node: Node) -> CodeSet | None:
    """The characters a match can begin with; `None` where that is not obvious."""
    match node:
        case One(chars):
            return chars
        case Sequence((head, *_)):
            return _first(head)
        case Repeat(item, low) if low > 0:
            return _first(item)
    return None


def _can_fail(node: Node) -> bool:
    """Whether there are places where `node` does not match."""
    match node:
        case Sequence(items):
            return any(map(_can_fail, items))
        case Choice(options):
            return all(map(_can_fail, options))
        case Repeat(item, low):
            return low > 0 and _can_fail(item)
        case Atomic(item):
            return _can_fail(item)
    return True


def _loops(node: Node) -> Iterator[tuple[CodeSet, bool]]:
    """The unbounded repeats that can backtrack: the characters each matches, and whether it may have to backtrack.

    It must when something after it in `node` fails.
    """
    if isinstance(node, Repeat) and node.high is None and node.mode != "+":
        yield CodeSet.union(*_sets(node)), False
    if isinstance(node, Atomic | Look):
        return
    children = _children(node)
    for i, child in enumerate(children):
        fails_behind = isinstance(node, Sequence) and any(map(_can_fail, children[i + 1 :]))
        yield from ((taken, retried or fails_behind) for taken, retried in _loops(child))


def check_cost(node: Node) -> float:
    """Refuse patterns whose backtracking could explode: a file must not be able to hang the page.

    Returns a bound on the number of ways in which `node` can match at one place, each unbounded repeat counted
    once. Raises `PatternError` for more than 10 000, for an ambiguous item in an unbounded repeat (`(a+)+`), and for
    two such repeats in a row that can take the same character and are both retried when what follows fails (`a*a*b`):
    a run of n characters would cost n² at each of its places. Real patterns hold `\\s*[\\r\\n]+`, where only the first
    is retried.
    """
    costs = [check_cost(child) for child in _children(node)]
    ways = 1.0
    match node:
        case Sequence():
            ways = math.prod(costs)
            retried = [taken for taken, again in _loops(node) if again]
            if any(taken & other for taken, other in combinations(retried, 2)):
                raise PatternError("too many unbounded repeats in a row could take forever")
        case Choice(options):
            firsts = [_first(option) for option in options]
            apart = all(a is not None and b is not None and not a & b for a, b in combinations(firsts, 2))
            ways = max(costs) if apart else sum(costs)
        case Repeat(item, low, high, mode):
            ambiguous = costs[0] > 1 or _nullable(item) or any(_loops(item))
            if ambiguous and (high is None or high > 16):
                raise PatternError("an unbounded repeat of something that can match in several ways")
            ways = 1.0 if high is None else costs[0] ** high * (high - low + 1)
            ways = 1.0 if mode == "+" else ways
    if ways > _MAX_WAYS:
        raise PatternError("the pattern can match in too many ways")
    return 1.0 if isinstance(node, Atomic | Look) else ways
