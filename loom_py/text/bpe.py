"""Byte-pair encoding: the lowest-ranked pair merges first, the leftmost of equals (Sennrich et al. 2016).

Short words are merged by repeated searches for the lowest rank, which is fastest in the interpreter; long ones by a
heap over a linked list, in O(n log n).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..errors import TokenizerError
from ..progress import to_end
from .blocks import BLOCK, listed, neighbours
from .word_model import WordModel, byte_ids, unknown_id

_SHORT = 48  # symbols; above, the heap is faster
_NEVER = 1 << 127
_TURNS = 4096  # merges of one step


@dataclass(frozen=True, slots=True)
class BPEOptions:
    """The switches of a BPE model, named as in `tokenizer.json`."""

    unk_token: str | None = None
    continuing_subword_prefix: str = ""
    end_of_word_suffix: str = ""
    fuse_unk: bool = False
    byte_fallback: bool = False
    ignore_merges: bool = False


class BPE(WordModel):
    """A vocabulary with merges.

    **Arguments:**

    - `vocab`: token to id, ids unique.
    - `merges`: pairs of tokens, best first; both tokens and their concatenation must be in the vocabulary.
    - `options`: the model's switches.
    - `where`: a function from a merge's index to its place in the file, for errors.

    Raises `TokenizerError`.
    """

    def __init__(
        self,
        vocab: Mapping[str, int],
        merges: Sequence[tuple[str, str]],
        options: BPEOptions,
        where: Callable[[int], str],
    ) -> None:
        super().__init__(vocab)
        self.options = options
        skip = len(options.continuing_subword_prefix)
        pairs: dict[int, int] = {}  # left id << 32 | right id  →  rank << 32 | merged id
        for rank, (left, right) in enumerate(merges):
            try:
                pairs[vocab[left] << 32 | vocab[right]] = rank << 32 | vocab[left + right[skip:]]
            except KeyError as error:
                raise TokenizerError(
                    f"the merge of {left[:40]!r} and {right[:40]!r} needs {error.args[0][:80]!r}, "
                    "which the vocabulary does not have",
                    where=where(rank),
                    remedy="Vocabulary and merges do not belong together; fetch the file again.",
                ) from None
        self._pairs = pairs
        self._byte_ids = byte_ids(vocab) if options.byte_fallback else []

    def encode_steps(self, word: str) -> Generator[None, None, Sequence[int]]:
        """`encode` of a long word in steps of some milliseconds."""
        if self.options.ignore_merges and word in self.vocab:
            return (self.vocab[word],)
        return (yield from self._merge_steps((yield from self._symbol_steps(word))))

    def encode_word(self, word: str) -> tuple[int, ...]:
        if self.options.ignore_merges and word in self.vocab:
            return (self.vocab[word],)
        return tuple(self._merge(self._symbols(word)))

    def _symbols(self, word: str) -> list[int]:
        """The ids of the word's characters before any merge."""
        options = self.options
        chars: Sequence[str] = word
        if options.continuing_subword_prefix or options.end_of_word_suffix:
            chars = [word[0], *(options.continuing_subword_prefix + char for char in word[1:])] if word else []
            if chars:
                chars[-1] += options.end_of_word_suffix
        ids = list(map(self.vocab.get, chars))
        return to_end(self._with_unknown(chars, ids)) if None in ids else ids  # type: ignore[return-value]  # all known

    def _symbol_steps(self, word: str) -> Generator[None, None, list[int]]:
        """`_symbols` of a long word in steps."""
        options = self.options
        chars: Sequence[str] = word
        if options.continuing_subword_prefix or options.end_of_word_suffix:
            chars = yield from listed((options.continuing_subword_prefix * (i > 0) + c for i, c in enumerate(word)))
            chars[-1:] = [char + options.end_of_word_suffix for char in chars[-1:]]
        ids = yield from listed(map(self.vocab.get, chars), BLOCK)
        if None not in ids:
            return ids  # type: ignore[return-value]  # all known
        return (yield from self._with_unknown(chars, ids))

    def _with_unknown(self, chars: Sequence[str], ids: list[int | None]) -> Generator[None, None, list[int]]:
        """Unknown characters as bytes or as the unknown token; without either they are dropped."""
        out: list[int] = []
        pending: int | None = None  # an unknown token not yet emitted, so that neighbours can fuse with it
        for i, (char, token_id) in enumerate(zip(chars, ids, strict=True)):
            if not (i + 1) % _TURNS:
                yield
            if token_id is not None:
                if pending is not None:
                    out.append(pending)
                    pending = None
                out.append(token_id)
                continue
            if self.options.byte_fallback:
                as_bytes = [self._byte_ids[byte] for byte in char.encode()]
                if None not in as_bytes:
                    out += as_bytes  # type: ignore[arg-type]  # in front of a pending unknown token, as `tokenizers`
                    continue
            if self.options.unk_token is not None:
                if pending is not None and not self.options.fuse_unk:
                    out.append(pending)
                pending = unknown_id(self.vocab, self.options.unk_token, "model.unk_token")
        if pending is not None:
            out.append(pending)
        return out

    def _merge(self, ids: list[int]) -> list[int]:
        return self._merge_short(ids) if len(ids) <= _SHORT else to_end(self._merge_steps(ids))

    def _merge_short(self, ids: list[int]) -> list[int]:
        find = self._pairs.get
        ranks = [find(a << 32 | b, _NEVER) for a, b in pairwise(ids)]
        while ranks:
            best = min(ranks)
            if best == _NEVER:
                break
            i = ranks.index(best)
            merged = best & 0xFFFFFFFF
            ids[i : i + 2] = [merged]
            del ranks[i]
            if i:
                ranks[i - 1] = find(ids[i - 1] << 32 | merged, _NEVER)
            if i < len(ranks):
                ranks[i] = find(merged << 32 | ids[i + 1], _NEVER)
        return ids

    def _merge_steps(self, ids: list[int]) -> Generator[None, None, list[int]]:
        """`ids[i] = -1` marks a symbol swallowed by one to its left. Heap entries are rank << 96 | place << 32 | id."""
        find = self._pairs.get
        count = len(ids)
        after, before = yield from neighbours(count)
        heap: list[int] = []

        def entry(place: int, pair: int) -> int:
            return (pair >> 32) << 96 | place << 32 | (pair & 0xFFFFFFFF)

        for place, (a, b) in enumerate(pairwise(ids)):
            pair = find(a << 32 | b)
            if pair is not None:
                heapq.heappush(heap, entry(place, pair))  # `heapify` cannot be stopped
            if not (place + 1) % (2 * _TURNS):
                yield
        turn = 0
        while heap:
            turn += 1
            if not turn % _TURNS:
                yield
            top = heapq.heappop(heap)
            place, merged = (top >> 32) & 0xFFFFFFFFFFFFFFFF, top & 0xFFFFFFFF
            right = after[place]
            if ids[place] < 0 or right >= count:
                continue
            pair = find(ids[place] << 32 | ids[right])
            if pair is None or pair & 0xFFFFFFFF != merged:
                continue  # the neighbours have changed since this was pushed
            ids[place], ids[right] = merged, -1
            after[place] = beyond = after[right]
            if beyond < count:
                before[beyond] = place
                pair = find(merged << 32 | ids[beyond])
                if pair is not None:
                    heapq.heappush(heap, entry(place, pair))
            left = before[place]
            if left >= 0:
                pair = find(ids[left] << 32 | merged)
                if pair is not None:
                    heapq.heappush(heap, entry(left, pair))
        return (yield from listed((token_id for token_id in ids if token_id >= 0), BLOCK))
