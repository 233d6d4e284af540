"""Find tokens of any length in a text in linear time (Aho and Corasick 1975).

The automaton reads the text from its end over the reversed tokens. Its state at a place then says which token, the
longest one, begins there; a matcher that reads forwards would go over the text again after every long attempt.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Generator, Iterable, Iterator

_CODES = sys.maxunicode + 1
_BLOCK = 4096


class LongTokens:
    """Finds the leftmost of some texts, and of those the longest, then continues after it."""

    def __init__(self, contents: Iterable[str]) -> None:
        self._edges: dict[int, int] = {}  # state * _CODES + character → state
        parents, characters, depths, self._longest = array("q", [0]), array("q", [0]), array("q", [0]), array("q", [0])
        self._order: dict[int, int] = {}  # state of a whole token → which of them it is
        for i, content in enumerate(contents):
            state = 0
            for code in map(ord, reversed(content)):
                key = state * _CODES + code
                following = self._edges.get(key)
                if following is None:
                    following = self._edges[key] = len(parents)
                    parents.append(state)
                    characters.append(code)
                    depths.append(depths[state] + 1)
                    self._longest.append(0)
                state = following
            self._longest[state] = len(content)
            self._order[state] = i
        self._fallback, self._ends, self._counts = (array("q", bytes(8 * len(parents))) for _ in range(3))
        for state in sorted(range(1, len(parents)), key=depths.__getitem__):
            if depths[state] > 1:
                self._fallback[state] = self._step(self._fallback[parents[state]], characters[state])
            below, ends = self._fallback[state], self._longest[state] > 0
            self._ends[state] = state if ends else self._ends[below]
            self._counts[state] = self._counts[below] + ends
            self._longest[state] = self._longest[state] or self._longest[below]
        self._reach = max(depths)
        self._size = max(_BLOCK, self._reach)
        self._last: tuple[str, int, array[int]] = ("", -1, array("q"))

    def find(self, text: str, at: int = 0, end: int = sys.maxsize, /) -> Iterator[tuple[int, int]]:
        """`(start, end)` of the matches from a place on, up to an end; an empty one after each block."""
        whole = end >= len(text)
        end = min(end, len(text))
        while at < end:
            first = at // self._size * self._size if whole else at
            lengths = self._block(text, first) if whole else self._lengths(text, at, end, end)
            stop = first + len(lengths)
            while at < stop:
                length = lengths[at - first]
                if length:
                    yield at, at + length
                at += length or 1
            if at < end:
                yield at, at

    def states(self, text: str, most: int) -> Generator[None, None, list[int]]:
        """For each place, what `beginning` tells the tokens from; 0 where none begins. In steps.

        Raises `OverflowError` where more than `most` tokens begin altogether.
        """
        states = [0] * len(text)
        state = matches = 0
        for i in range(len(text) - 1, -1, -1):
            state = self._step(state, ord(text[i]))
            states[i] = self._ends[state]
            matches += self._counts[state]
            if matches > most:
                raise OverflowError
            if not i % _BLOCK:
                yield
        return states

    def beginning(self, state: int) -> list[tuple[int, int]]:
        """All tokens that begin at a place, the shortest first: how long each is, and which of them."""
        matches: list[tuple[int, int]] = []
        while state:
            matches.append((self._longest[state], self._order[state]))
            state = self._ends[self._fallback[state]]
        return matches[::-1]

    def _block(self, text: str, first: int) -> array[int]:
        """The lengths of a part of the text; the last part is kept, for those who ask for one match at a time."""
        kept, place, lengths = self._last
        if kept is not text or place != first:
            stop = min(first + self._size, len(text))
            lengths = self._lengths(text, first, stop, min(stop + self._reach, len(text)))
            self._last = text, first, lengths
        return lengths

    def _lengths(self, text: str, first: int, stop: int, end: int) -> array[int]:
        """For each place from `first` to `stop`, how long the longest token from there is that ends by `end`, or 0."""
        lengths = array("q", bytes(8 * (stop - first)))
        state, longest = 0, self._longest
        for i in range(end - 1, first - 1, -1):
            state = self._step(state, ord(text[i]))
            if i < stop:
                lengths[i - first] = longest[state]
        return lengths

    def _step(self, state: int, code: int) -> int:
        """The state after one more character."""
        while True:
            following = self._edges.get(state * _CODES + code)
            if following is not None or not state:
                return following or 0
            state = self._fallback[state]
