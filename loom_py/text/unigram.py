"""Unigram language model: the segmentation whose tokens have the greatest sum of scores (Kudo 2018).

    best[e] = max over tokens t that end at e of best[e − |t|] + score(t)

Viterbi's algorithm, from the left. A character that is no token by itself has a score ten below the lowest. Short
tokens are looked up length by length, long ones (runs of spaces, whole phrases) are matched by an automaton, so that
the cost is a small number of look-ups a character; what a vocabulary could make of a text is priced before.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import TokenizerError
from .long_tokens import LongTokens
from .word_model import WordModel, byte_ids, too_many_matches

UNKNOWN_PENALTY = 10.0
_SHORT = 24  # characters of tokens that are looked up
_STEP = 2048  # characters of one step
_AFFORDABLE, _A_CHARACTER = 1_500_000, 50
"""Long matches in one text, altogether and for each of its characters."""


@dataclass(frozen=True, slots=True)
class UnigramOptions:
    """- `unk_id`: the token of what the vocabulary lacks; None: such text is an error.
    - `byte_fallback`: unknown text becomes the tokens of its bytes (`<0x41>`) where the vocabulary has them.
    - `single`: scores are added in single precision, as SentencePiece does (`tokenizers` does in double).
    - `unknown_score`: of a character that is no token; ten below the lowest score unless given.
    - `where`: the place of `unk_id` in the file, for errors.
    """

    unk_id: int | None
    byte_fallback: bool = False
    single: bool = False
    unknown_score: float | None = None
    where: str = "model.unk_id"


class Unigram(WordModel):
    """**Arguments:**

    - `tokens`: by id. Of a token that stands twice, the last counts.
    - `scores`: their logarithmic probabilities.
    - `matched`: ids of the tokens that text may become; all unless given.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        scores: Sequence[float],
        options: UnigramOptions,
        matched: Sequence[int] | None = None,
    ) -> None:
        super().__init__({token: i for i, token in enumerate(tokens)}, dict(enumerate(tokens)))
        self.options = options
        real: Callable[[float], float] = np.float32 if options.single else float  # type: ignore[assignment]  # adds alike
        lowest = min(scores, default=0.0) - UNKNOWN_PENALTY
        self._unknown_score = real(lowest if options.unknown_score is None else options.unknown_score)
        self._zero = real(0.0)
        own = self.vocab if matched is None else {tokens[i]: i for i in matched}
        self._entries = {token: (i, real(scores[i])) for token, i in own.items() if token}
        lengths = {len(token) for token in self._entries}
        self._lengths = sorted(length for length in lengths if length <= _SHORT)
        long = [token for token in self._entries if len(token) > _SHORT]
        self._long = LongTokens(long) if long else None
        self._long_entries = list(map(self._entries.__getitem__, long))
        self._byte_ids = byte_ids(self.vocab) if options.byte_fallback else []

    def encode_steps(self, word: str) -> Generator[None, None, tuple[int, ...]]:
        states = yield from self._long_states(word)
        find, lengths, count = self._entries.get, self._lengths, len(word)
        best: list[float | None] = [self._zero, *[None] * count]
        begins = [0] * (count + 1)
        chosen = [0] * (count + 1)  # the token that ends there
        for at in range(count):
            if not at % _STEP:
                yield
            score = best[at]
            assert score is not None  # every character is a token or unknown, so that every place is reached
            single = False
            for length in lengths:
                end = at + length
                if end > count:
                    break
                entry = find(word[at:end])
                if entry is None:
                    continue
                single = single or length == 1
                total, before = score + entry[1], best[end]
                if before is None or total > before:
                    best[end], begins[end], chosen[end] = total, at, entry[0]
            if states and states[at] and self._long is not None:
                for length, which in self._long.beginning(states[at]):
                    entry, end = self._long_entries[which], at + length
                    total, before = score + entry[1], best[end]
                    if before is None or total > before:
                        best[end], begins[end], chosen[end] = total, at, entry[0]
            if not single:
                total, before = score + self._unknown_score, best[at + 1]
                if before is None or total > before:
                    best[at + 1], begins[at + 1], chosen[at + 1] = total, at, self._unknown_id(word[at])
        return (yield from self._trace(word, begins, chosen))

    def _long_states(self, word: str) -> Generator[None, None, list[int]]:
        """What tells for each place which long tokens begin there. Raises `TokenizerError` if there are too many."""
        if self._long is None or len(word) <= _SHORT:
            return []
        try:
            return (yield from self._long.states(word, _AFFORDABLE + _A_CHARACTER * len(word)))
        except OverflowError:
            raise too_many_matches(self.options.where) from None

    def _trace(self, word: str, begins: Sequence[int], chosen: Sequence[int]) -> Generator[None, None, tuple[int, ...]]:
        """The ids of the best path, read from its end. A run of unknown characters is looked up as one."""
        unknown = self.options.unk_id
        reverse: list[int] = []
        end, count = len(word), 0
        while end:
            count += 1
            if not count % _STEP:
                yield
            start, token_id = begins[end], chosen[end]
            if token_id != unknown:
                reverse.append(token_id)
            else:
                while start and chosen[start] == unknown:
                    start = begins[start]
                reverse += reversed(self._unknown(word[start:end], token_id))
            end = start
        return tuple(reversed(reverse))

    def _unknown(self, text: str, unknown: int) -> Sequence[int]:
        """A run of unknown characters: a token after all, or the tokens of its bytes, or the unknown token."""
        if text in self._entries:
            return (self._entries[text][0],)
        as_bytes = [self._byte_ids[byte] for byte in text.encode()] if self._byte_ids else [None]
        return (unknown,) if None in as_bytes else as_bytes  # type: ignore[return-value]  # no None, as checked

    def _unknown_id(self, char: str) -> int:
        if self.options.unk_id is None:
            raise TokenizerError(
                f"there is no unknown token for {char!r}, which is not in the vocabulary",
                where=self.options.where,
                remedy="The tokenizer cannot encode this text; use a complete tokenizer file.",
            )
        return self.options.unk_id
