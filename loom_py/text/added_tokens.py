"""Added and special tokens: cut out of the text before anything else sees it.

As `tokenizers` does: tokens that are not `normalized` are searched in the raw text, the others, in their normalised
form, in the normalised pieces between. The search takes the leftmost match and there the longest token. What a match
swallows to its left (`lstrip`) and right (`rstrip`), and whether it counts at all (`single_word`), is decided after.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

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

    - `tokens`: in the order of the file. Content that `lookup` does not know gets the next free id.
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
        self.decoded: dict[int, str] = {}  # what the decoder is given: the normalised form where there is one
        special: set[str] = set()
        next_id = model_size
        for token in tokens:
            if not token.content:
                continue
            if token.special:
                special.add(token.content)
            known = self.ids.get(token.content)
            token_id = lookup(token.content) if known is None else known
            if token_id is None:
                token_id, next_id = next_id, next_id + 1
            self.ids[token.content] = token_id
            self.by_id[token_id] = token
            if token.normalized or token_id not in self.decoded:
                self.decoded[token_id] = normalize(token.content) if token.normalized else token.content
        self.special_contents = frozenset(special)
        self.special_ids = frozenset(i for i, t in self.by_id.items() if t.content in special)
        raw = [(t.content, i) for i, t in self.by_id.items() if not t.normalized]
        cooked = [(self.decoded[i], i) for i, t in self.by_id.items() if t.normalized]
        self.raw = _Matcher(raw, self)
        self.cooked = _Matcher(cooked, self)


class _Matcher:
    """Finds the tokens of one kind in a text."""

    def __init__(self, patterns: list[tuple[str, int]], tokens: AddedTokens) -> None:
        # Normalisation can make two tokens the same, where `tokenizers` takes either, or leave nothing of one.
        self._ids = {content: token_id for content, token_id in sorted(patterns, reverse=True) if content}
        self._tokens = tokens
        longest_first = sorted(self._ids, key=len, reverse=True)
        self._search = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __bool__(self) -> bool:
        return self._search is not None

    def split(self, text: str, parse_special: bool = True) -> Iterator[tuple[int, int, int | None]]:
        """Pieces `(start, end, id)` that cover `text`; `id` is `None` between the tokens."""
        start = 0
        for match in self._search.finditer(text) if self._search else ():
            left, right = match.span()
            token_id = self._ids[match[0]]
            token = self._tokens.by_id[token_id]
            if not parse_special and token.content in self._tokens.special_contents:
                continue
            if token.single_word and (_is_word(text, left - 1) or _is_word(text, right)):
                continue
            if token.lstrip:
                left = max(_skip_space(text, left, -1), start)
            if token.rstrip:
                right = _skip_space(text, right, 1)
            if start < left:
                yield start, left, None
            if left < right:  # else the token before has swallowed it whole
                yield left, right, token_id
            start = right
        if start < len(text):
            yield start, len(text), None


def _is_word(text: str, index: int) -> bool:
    return 0 <= index < len(text) and text[index] in named_set("rust_word")


def _skip_space(text: str, index: int, step: int) -> int:
    """From the boundary `index` over white space, to the left (-1) or right (1)."""
    space = named_set("rust_whitespace")
    beside = index if step > 0 else index - 1
    while 0 <= beside < len(text) and text[beside] in space:
        beside += step
    return beside if step > 0 else beside + 1
