"""WordPiece: from the left, the longest token that fits, over and over (Schuster and Nakajima 2012).

A token that continues a word has a prefix in the vocabulary, `##` in BERT's. A word of which some part fits nowhere is
one unknown token.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import cached_property

from .long_tokens import LongTokens
from .word_model import WordModel, unknown_id

_TRIED = 512
"""Characters of a word times lengths of tokens up to which lengths are tried one by one."""


class WordPiece(WordModel):
    """**Arguments:**

    - `prefix`: what tokens begin with that continue a word.
    - `max_length`: a word of more characters is unknown.
    - `where`: the place of `unk_token` in the file, for errors.
    """

    def __init__(
        self,
        vocab: Mapping[str, int],
        unk_token: str = "[UNK]",
        prefix: str = "##",
        max_length: int = 100,
        where: str = "model.unk_token",
    ) -> None:
        super().__init__(vocab)
        self._unk_token = unk_token
        self._prefix = prefix
        self._max_length = max_length
        self._where = where
        self._longest = max(map(len, vocab), default=0)

    def encode_steps(self, word: str) -> Generator[None, None, tuple[int, ...]]:
        if len(word) <= self._max_length:
            short = len(word) * min(len(word), self._longest) <= _TRIED * 32
            ids = self._by_trying(word) if short else (yield from self._by_automaton(word))
            if ids is not None:
                return ids
        return (unknown_id(self.vocab, self._unk_token, self._where),)

    def _by_trying(self, word: str) -> tuple[int, ...] | None:
        ids: list[int] = []
        at, prefix = 0, ""
        find = self.vocab.get
        while at < len(word):
            for end in range(min(len(word), at + self._longest), at, -1):
                token_id = find(prefix + word[at:end])
                if token_id is not None:
                    break
            else:
                return None
            ids.append(token_id)
            at, prefix = end, self._prefix
        return tuple(ids)

    def _by_automaton(self, word: str) -> Generator[None, None, tuple[int, ...] | None]:
        """The same in linear time for long words: the longest token at every place comes first."""
        first, later = self._automata
        start = next(first.find(word, 0), (1, 1))
        if start[0]:
            return None
        ids = [self.vocab[word[: start[1]]]]
        at = start[1]
        for left, right in later.find(word, at):
            if left != at:
                return None
            if left == right:
                yield
                continue
            ids.append(self.vocab[self._prefix + word[left:right]])
            at = right
        return tuple(ids) if at == len(word) else None

    @cached_property
    def _automata(self) -> tuple[LongTokens, LongTokens]:
        """Finders of tokens that begin a word, and of those that continue one."""
        skip = len(self._prefix)
        later = [token[skip:] for token in self.vocab if token.startswith(self._prefix)]
        return LongTokens(filter(None, self.vocab)), LongTokens(filter(None, later))
