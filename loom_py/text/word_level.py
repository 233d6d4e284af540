"""Whole words as tokens."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from .word_model import WordModel, unknown_id


class WordLevel(WordModel):
    """Every word is one token of the vocabulary, or the unknown token."""

    def __init__(self, vocab: Mapping[str, int], unk_token: str, where: str = "model.unk_token") -> None:
        super().__init__(vocab)
        self._unk_token = unk_token
        self._where = where

    def encode_steps(self, word: str) -> Generator[None, None, tuple[int, ...]]:
        yield
        return self.encode_word(word)

    def encode_word(self, word: str) -> tuple[int, ...]:
        token_id = self.vocab.get(word)
        return (unknown_id(self.vocab, self._unk_token, self._where) if token_id is None else token_id,)
