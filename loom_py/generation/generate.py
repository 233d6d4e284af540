"""Text generation as an iterator: prefill in chunks, then one token at a time, stoppable anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from ..errors import DeviceLost, InputError
from ..runtime.pending import Waiting
from .runner import CacheT, Runner
from .sampling import NEUTRAL, GenerationOptions


class TokenDecoder(Protocol):
    """Turns ids into text as they come, never half a character."""

    def add(self, token_id: int, /) -> str: ...
    def finish(self) -> str: ...


@dataclass(frozen=True)
class PrefillProgress:
    """`done` of `total` prompt tokens are in the cache."""

    done: int
    total: int


@dataclass(frozen=True)
class Encoding:
    """Some more of the prompt was made into tokens."""


@dataclass(frozen=True)
class GeneratedToken:
    """One token: its id and the text it completes ("" while a character or a stop string is undecided).

    `finish_reason` is set on the last one: "stop" (end token or stop string) or "length". `more` is how many follow
    without further work, since they were drawn together with this one.
    """

    id: int
    text: str
    finish_reason: Literal["stop", "length"] | None = None
    more: int = 0


class StopFilter:
    """Holds text back while it could still become a stop string."""

    def __init__(self, stop: Sequence[str]) -> None:
        self.stop = stop
        self._held = ""
        self._shown: list[bool] = []  # of each character: whether it is text, and not a special token written out

    def add(self, text: str, hidden: str = "") -> tuple[str, bool]:
        """(text that is safe to show, whether a stop string came).

        - `hidden`: a special token that came before the text. Stop strings may contain it, and it is never shown.
        """
        if not self.stop:
            return text, False
        self._held += hidden + text
        self._shown += [False] * len(hidden) + [True] * len(text)
        matches = [(i + len(s), i) for s in self.stop if (i := self._held.find(s)) >= 0]
        if matches:
            text = self._take(min(matches)[1])  # the first that is complete, however the text comes in tokens
            self._take(len(self._held))
            return text, True
        keep = 0
        for s in self.stop:
            for n in range(min(len(s) - 1, len(self._held)), keep, -1):
                if self._held.endswith(s[:n]):
                    keep = n
                    break
        return self._take(len(self._held) - keep), False

    @property
    def held(self) -> str:
        """What is still held back."""
        return "".join(c for c, shown in zip(self._held, self._shown, strict=True) if shown)

    def _take(self, count: int) -> str:
        taken = "".join(c for c, shown in zip(self._held[:count], self._shown, strict=False) if shown)
        self._held, self._shown = self._held[count:], self._shown[count:]
        return taken


def check_ids(ids: Sequence[int], vocab_size: int, where: str) -> None:
    """Raises `InputError` unless there are ids and the vocabulary has them all."""
    if not len(ids):
        raise InputError("the prompt has no tokens", where=where)
    if min(ids) < 0 or max(ids) >= vocab_size:
        bad = next(i for i in ids if not 0 <= i < vocab_size)
        raise InputError(f"token id {bad} is outside the model's vocabulary of {vocab_size}", where=where)


def check_room(count: int, limit: int, *, whole: bool = True) -> None:
    """Raise `InputError` unless a context of `limit` positions holds `count` ids and one more.

    - `whole`: whether they were counted to the end.
    """
    if count >= limit:
        raise InputError(
            f"the prompt has {'' if whole else 'at least '}{count} tokens, the context holds {limit}",
            where="prompt",
            remedy="Shorten the prompt or the conversation.",
        )


def generate(
    model: Runner[CacheT],
    ids: Sequence[int],
    options: GenerationOptions,
    *,
    cache: CacheT,
    decoder: TokenDecoder,
    eos_ids: frozenset[int],
    hidden: Mapping[int, str] | None = None,
) -> Iterator[PrefillProgress | GeneratedToken | Waiting]:
    """Continue `ids`, of which the first `cache.length` are in the cache already.

    Yields `PrefillProgress` after each chunk, a `GeneratedToken` for each new token, and `Waiting` where a device must
    be waited for. Stopping early leaves the cache consistent: it holds exactly the tokens fed so far, which may be some
    more than were handed out.

    - `hidden`: special tokens that stop strings contain, by id; `decoder` leaves them out.
    """
    check_ids(ids, model.decoder.facts.vocab_size, "prompt")
    check_room(len(ids), cache.limit)
    tokens = list(ids)
    drawn: list[int] = []  # tokens that were not handed out yet, the next one last
    with suppress(DeviceLost):  # the first step reopens the device
        cache.reserve(len(tokens))  # growing in steps would copy the cache each time
    while cache.length < len(tokens):
        count = model.chunk(len(tokens) - cache.length)
        chunk = np.asarray(tokens[cache.length : cache.length + count], dtype=np.int64)
        if cache.length + count < len(tokens):
            yield from model.feed(chunk, cache)
        else:
            drawn = yield from model.next_tokens(chunk, cache, options, 0, tokens, 1)
        yield PrefillProgress(cache.length, len(tokens))
    stop = StopFilter(options.stop or ())
    names = hidden or {}
    most = options.max_tokens or int(NEUTRAL["max_tokens"])
    for step in range(most):
        if not drawn:
            last, left = np.asarray(tokens[-1:]), min(most - step, cache.limit - len(tokens))
            drawn = (yield from model.next_tokens(last, cache, options, step, tokens, left))[::-1]
        token = drawn.pop()
        tokens.append(token)
        ended = token in eos_ids
        text, stopped = stop.add("" if ended else decoder.add(token), "" if ended else names.get(token, ""))
        full = len(tokens) >= cache.limit or step + 1 == most
        if ended or stopped or full:
            if not stopped:
                rest, _ = stop.add(decoder.finish())
                text += rest + stop.held
            yield GeneratedToken(token, text, "stop" if ended or stopped else "length")
            return
        yield GeneratedToken(token, text, more=len(drawn))
