"""What every tokenizer model is: a vocabulary, and words to ids, with a bounded cache."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence

from ..errors import TokenizerError
from ..progress import to_end

_CACHE_WORDS = 20_000
_CACHE_LENGTH = 128  # characters; longer words rarely recur


class WordModel(ABC):
    """A model over a vocabulary of unique ids.

    - `vocab`: token → id.
    - `tokens`: id → token; a token that stands twice in the file has two ids here and one in `vocab`.
    """

    def __init__(self, vocab: Mapping[str, int], tokens: Mapping[int, str] | None = None) -> None:
        self.vocab = vocab
        self.tokens = {i: token for token, i in vocab.items()} if tokens is None else tokens
        self._cache: dict[str, tuple[int, ...]] = {}

    def encode(self, word: str) -> tuple[int, ...]:
        """The ids of one word (the text between two splits). Raises `TokenizerError` where the file is incomplete."""
        cached = self._cache.get(word)
        if cached is not None:
            return cached
        ids = self.encode_word(word)
        if len(word) <= _CACHE_LENGTH:
            if len(self._cache) >= _CACHE_WORDS:
                self._cache.clear()
            self._cache[word] = ids
        return ids

    def encode_word(self, word: str) -> tuple[int, ...]:
        """`encode` without the cache."""
        return tuple(to_end(self.encode_steps(word)))

    @abstractmethod
    def encode_steps(self, word: str) -> Generator[None, None, Sequence[int]]:
        """`encode` of a long word in steps of some milliseconds, between which one may stop."""


def byte_ids(vocab: Mapping[str, int]) -> list[int | None]:
    """The ids of `<0x00>` … `<0xFF>`, which the bytes of unknown characters become; None where one is missing."""
    return [vocab.get(f"<0x{byte:02X}>") for byte in range(256)]


def unknown_id(vocab: Mapping[str, int], token: str, where: str) -> int:
    """The id of the token for what the vocabulary lacks. Raises `TokenizerError` where it is not in there itself."""
    try:
        return vocab[token]
    except KeyError:
        raise TokenizerError(
            f"the unknown token {token!r} is not in the vocabulary",
            where=where,
            remedy="The tokenizer cannot encode this text; use a complete tokenizer file.",
        ) from None


def too_many_matches(where: str) -> TokenizerError:
    """The error for a vocabulary that would take too long on a text."""
    return TokenizerError(
        "too many tokens of the vocabulary match at the same places of this text",
        where=where,
        remedy="Shorten the long run of equal characters, or use a tokenizer from a source you trust.",
    )
