"""Added and special tokens, which are cut out of the text before any other step.

As `tokenizers` does: tokens that are not `normalized` are searched in the raw text, the others, in their normalised
form, in the normalised pieces between. The search takes the leftmost match and there the longest token. How much
white space a match takes to its left (`lstrip`) and right (`rstrip`), and whether it counts (`single_word`), is decided
afterwards.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .blocks import TURNS
from .end_tokens import END_NAMES
from .long_tokens import LongTokens
from .unicode_tables import named_set


@dataclass(frozen=True, slots=True)
class AddedToken:
    """One token beside the model's vocabulary, or one of the vocabulary that is searched as a whole."""

    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False
    special: bool = False


class AddedTokens:
    """The added tokens of a tokenizer with the ids they get.

    **Arguments:**

    - `tokens`: in the order of the file. Content unknown to `lookup` gets the next free id.
    - `lookup`: the model's id of a string, or `None`.
    - `model_size`: the number of tokens in the model.
    - `normalize`: the tokenizer's normaliser.
    """

    def __init__(
        self,
        tokens: Iterable[AddedToken],
        lookup: Callable[[str], int | None],
        model_size: int,
        normalize: Callable[[str], str],
    ) -> None:
        self.ids: dict[str, int] = {}
        self.by_id: dict[int, AddedToken] = {}
        self.decoded: dict[int, str] = {}  # what the decoder gets: the normalised form if there is one
        special: set[str] = set()
        next_id = model_size
        for token in tokens:
            if not token.content:
                continue
            if token.special:
                special.add(token.content)
            existing = self.ids.get(token.content)
            token_id = lookup(token.content) if existing is None else existing
            if token_id is None:
                token_id, next_id = next_id, next_id + 1
            self.ids[token.content] = token_id
            self.by_id[token_id] = token
            if token.normalized or token_id not in self.decoded:
                self.decoded[token_id] = normalize(token.content) if token.normalized else token.content
        self.special_contents = frozenset(special)
        self.special_ids = frozenset(i for i, t in self.by_id.items() if t.content in special)
        self.control_ids = self.special_ids | {i for i, t in self.by_id.items() if t.content in END_NAMES}
        raw = [(t.content, i) for i, t in self.by_id.items() if not t.normalized]
        cooked = [(self.decoded[i], i) for i, t in self.by_id.items() if t.normalized]
        self.raw = _Matcher(raw, self)
        self.cooked = _Matcher(cooked, self)


class _Matcher:
    """Finds the tokens of one kind in a text."""

    def __init__(self, patterns: list[tuple[str, int]], tokens: AddedTokens) -> None:
        # Normalisation can make two tokens equal, of which `tokenizers` takes either, or make one empty.
        self._ids = {content: token_id for content, token_id in sorted(patterns, reverse=True) if content}
        self._tokens = tokens
        self._find = _finder(list(self._ids)).find
        self._find_ordinary = _finder([c for c, i in self._ids.items() if i not in tokens.control_ids]).find

    def __bool__(self) -> bool:
        return bool(self._ids)

    def split(self, text: str, literal: bytes | None = None) -> Iterator[tuple[int, int, int | None]]:
        """Pieces `(start, end, id)` that cover `text`; `id` is `None` between the tokens.

        An empty piece is none: it says that the search goes on, and that one may stop.

        - `literal`: a byte for each character, 1 where it cannot be part of a special token; None for nowhere.
        """
        start = space_end = 0
        for left, right in self._find(text, 0) if literal is None else self._permitted(text, literal):
            if left == right:
                yield start, start, None
                continue
            token_id = self._ids[text[left:right]]
            token = self._tokens.by_id[token_id]
            if token.single_word and (_is_word(text, left - 1) or _is_word(text, right)):
                continue
            if token.lstrip:
                left = _skip_space(text, left, -1, start) if left > start else start
            if token.rstrip:
                if right >= space_end:  # otherwise it lies inside white space that an earlier match consumed
                    space_end = _skip_space(text, right, 1, len(text))
                right = space_end
            if start < left:
                yield start, left, None
            if left < right:  # otherwise the token before consumed all of it
                yield left, right, token_id
            start = right
        if start < len(text):
            yield start, len(text), None

    def _permitted(self, text: str, literal: bytes) -> Iterator[tuple[int, int]]:
        """Matches that are no special token, or one without a literal character.

        A refused match may hide another that begins within it, or a shorter one in its place. An empty match is none.
        """
        nowhere = (len(text) + 1, 0)
        match = yield from _first(self._find(text, 0), nowhere)
        ordinary = (-1, 0)  # the next of the tokens that are not special
        while match is not nowhere:
            left, right = match
            if self._ids[text[left:right]] not in self._tokens.control_ids or literal.find(1, left, right) < 0:
                yield match
                match = yield from _first(self._find(text, right), nowhere)
                continue
            if ordinary[0] < left:
                ordinary = yield from _first(self._find_ordinary(text, left), nowhere)
            shorter = yield from _first(self._find(text, left, literal.find(1, left, right)), nowhere)
            following = yield from _first(self._find(text, left + 1), nowhere)
            match = min(shorter, following, ordinary, key=lambda span: (span[0], -span[1]))


def _first(
    matches: Iterator[tuple[int, int]], nowhere: tuple[int, int]
) -> Generator[tuple[int, int], None, tuple[int, int]]:
    """The first match; the empty ones before it are handed on."""
    for match in matches:
        if match[0] < match[1]:
            return match
        yield match
    return nowhere


def _is_word(text: str, index: int) -> bool:
    return 0 <= index < len(text) and text[index] in named_set("rust_word")


def _skip_space(text: str, index: int, step: int, end: int) -> int:
    """Move from the boundary `index` over white space, left (-1) or right (1), to the boundary `end` at most."""
    space = named_set("rust_whitespace")
    while index != end and text[index if step > 0 else index - 1] in space:
        index += step
    return index


_LONGEST_TRIED = 256  # characters; longer ones would be compared anew at every place of a text that is like them


def _finder(contents: list[str]) -> LongTokens | _TokenTrie:
    """What finds from a place on, up to an end, the leftmost of some texts, of those the longest, then continues."""
    return LongTokens(contents) if max(map(len, contents), default=0) > _LONGEST_TRIED else _TokenTrie(contents)


class _TokenTrie:
    """Finds the leftmost occurrence of several texts, the longest of equals, then continues after it.

    A regex with an alternative for each would take time with the square of their number to compile, and try all that
    begin alike one after another.
    """

    def __init__(self, contents: Iterable[str]) -> None:
        self._root: dict[str, Any] = {}
        for content in contents:
            node = self._root
            for char in content:
                node = node.setdefault(char, {})
            node[""] = True  # a text ends here
        firsts = "".join(map(re.escape, self._root))
        self._first = re.compile(f"[{firsts}]" if firsts else "(?!)")

    def find(self, text: str, at: int = 0, end: int = sys.maxsize, /) -> Iterator[tuple[int, int]]:
        """`(start, end)` of the matches from a place on, up to an end; an empty one after many places without any."""
        root, first, end = self._root, self._first, min(end, len(text))
        tried = 0
        while (candidate := first.search(text, at, end)) is not None:
            at = candidate.start()
            tried += 1
            if not tried % TURNS:
                yield at, at
            node, longest = root, 0
            for i in range(at, end):
                following = node.get(text[i])
                if following is None:
                    break
                node = following
                if "" in node:
                    longest = i + 1
            if longest:
                yield at, longest
            at = longest or at + 1
