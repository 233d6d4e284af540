"""Byte-pair encoding by score, as SentencePiece does: there is no list of merges.

Of all neighbours whose joined text is a token, the token with the highest score is made first, the leftmost of equals
(Kudo and Richardson 2018).

O(n log n) by a heap over a linked list.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Generator, Iterable, Sequence

from .blocks import BLOCK, listed, neighbours
from .word_model import WordModel, byte_ids

_TURNS = 4096  # merges of one step


class ScoreBPE(WordModel):
    """**Arguments:**

    - `tokens`, `scores`: by id.
    - `matched`: ids of the tokens that text may become.
    - `unused`: those of them that are only on the way to others, and are taken apart again where they stay.
    - `whole`: texts that are tokens by themselves and merge with nothing.
    - `unk_id`: the token of what the vocabulary lacks.
    - `byte_fallback`: unknown characters become the tokens of their bytes where the vocabulary has them.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        scores: Sequence[float],
        unk_id: int,
        *,
        matched: Iterable[int],
        unused: Collection[int] = (),
        whole: Collection[str] = (),
        byte_fallback: bool = False,
    ) -> None:
        super().__init__({token: i for i, token in enumerate(tokens)}, dict(enumerate(tokens)))
        self._unk_id = unk_id
        self._entries = {tokens[i]: i for i in matched}
        self._costs = {token: -scores[i] for token, i in self._entries.items()}
        self._unused = frozenset(unused)
        self._whole = frozenset(whole)
        ids = byte_ids(self.vocab) if byte_fallback else [None]
        self._byte_ids: list[int] = [] if None in ids else ids  # type: ignore[assignment]  # no None

    def encode_steps(self, word: str) -> Generator[None, None, Sequence[int]]:
        if word in self._whole:
            return (self._entries[word],)
        symbols, parents = yield from self._merge_steps(word)
        ids: list[int] = []
        unknown = False  # whether the last token is the unknown one, which a run of unknown characters shares
        stack = symbols[::-1]
        turn = 0
        while stack:
            turn += 1
            if not turn % _TURNS:
                yield
            symbol = stack.pop()
            token_id = self._entries.get(symbol)
            if token_id is not None and token_id in self._unused and symbol in parents:
                stack += reversed(parents[symbol])
                continue
            if token_id is not None:
                ids.append(token_id)
            elif self._byte_ids:
                ids += (self._byte_ids[byte] for byte in symbol.encode())
            elif not unknown:
                ids.append(self._unk_id)
            unknown = token_id is None
        return ids

    def _merge_steps(self, word: str) -> Generator[None, None, tuple[list[str], dict[str, tuple[str, str]]]]:
        """The symbols that stay, and what unused ones were made of. An empty symbol is part of one to its left."""
        costs, unused = self._costs, self._unused
        symbols = yield from listed(word, BLOCK)
        count = len(symbols)
        after, before = yield from neighbours(count)
        heap: list[tuple[float, int, int, int]] = []  # cost, places of the left and the right symbol, length
        parents: dict[str, tuple[str, str]] = {}

        def consider(left: int, right: int) -> None:
            joined = symbols[left] + symbols[right]
            cost = costs.get(joined)
            if cost is None:
                return
            heapq.heappush(heap, (cost, left, right, len(joined)))
            if unused and self._entries[joined] in unused:
                parents[joined] = symbols[left], symbols[right]

        for place in range(count - 1):
            if not place % _TURNS:
                yield
            consider(place, place + 1)
        turn = 0
        while heap:
            turn += 1
            if not turn % _TURNS:
                yield
            _, left, right, length = heapq.heappop(heap)
            if not symbols[left] or not symbols[right] or len(symbols[left]) + len(symbols[right]) != length:
                continue  # the neighbours have changed since this was pushed
            symbols[left] += symbols[right]
            symbols[right] = ""
            after[left] = beyond = after[right]
            if beyond < count:
                before[beyond] = left
                consider(left, beyond)
            if before[left] >= 0:
                consider(before[left], left)
        return (yield from listed(filter(None, symbols), BLOCK)), parents
