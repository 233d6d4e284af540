"""Text generation as an iterator: prefill in chunks, then one token at a time, stoppable anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from ..errors import DeviceLost, InputError
from ..runtime.pending import Waiting
from .runner import CacheT, Runner
from .sampling import GenerationOptions


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
class GeneratedToken:
    """One token: its id and the text it completes ("" while a character or a stop string is undecided).

    `finish_reason` is set on the last one: "stop" (end token or stop string) or "length".
    """

    id: int
    text: str
    finish_reason: Literal["stop", "length"] | None = None


class StopFilter:
    """Holds text back while it could still become a stop string."""

    def __init__(self, stop: Sequence[str]) -> None:
        self.stop = stop
        self.held = ""

    def add(self, text: str) -> tuple[str, bool]:
        """(text that is safe to show, whether a stop string came)."""
        self.held += text
        places = [i for i in (self.held.find(s) for s in self.stop) if i >= 0]
        if places:
            shown, self.held = self.held[: min(places)], ""
            return shown, True
        keep = 0
        for s in self.stop:
            for n in range(min(len(s) - 1, len(self.held)), keep, -1):
                if self.held.endswith(s[:n]):
                    keep = n
                    break
        shown, self.held = self.held[: len(self.held) - keep], self.held[len(self.held) - keep :]
        return shown, False


def generate(
    model: Runner[CacheT],
    ids: Sequence[int],
    options: GenerationOptions,
    *,
    cache: CacheT,
    decoder: TokenDecoder,
    eos_ids: frozenset[int],
) -> Iterator[PrefillProgress | GeneratedToken | Waiting]:
    """Continue `ids`, of which the first `cache.length` are in the cache already.

    Yields `PrefillProgress` after each chunk, a `GeneratedToken` for each new token, and `Waiting` where a device must
    be waited for. Stopping early leaves the cache consistent: it holds exactly the tokens fed so far.
    """
    if not ids:
        raise InputError("the prompt has no tokens", where="prompt")
    if len(ids) >= cache.limit:
        raise InputError(
            f"the prompt has {len(ids)} tokens, the context holds {cache.limit}",
            where="prompt",
            remedy="Shorten the prompt or the conversation.",
        )
    vocab_size = model.decoder.facts.vocab_size
    if min(ids) < 0 or max(ids) >= vocab_size:
        bad = next(i for i in ids if not 0 <= i < vocab_size)
        raise InputError(f"token id {bad} is outside the model's vocabulary of {vocab_size}", where="prompt")
    tokens = list(ids)
    token = -1
    with suppress(DeviceLost):  # the first step reopens the device
        cache.reserve(len(tokens))  # growing in steps would copy the cache each time
    while cache.length < len(tokens):
        count = model.chunk(len(tokens) - cache.length)
        chunk = np.asarray(tokens[cache.length : cache.length + count], dtype=np.int64)
        if cache.length + count < len(tokens):
            yield from model.feed(chunk, cache)
        else:
            token = yield from model.next_token(chunk, cache, options, 0, tokens)
        yield PrefillProgress(cache.length, len(tokens))
    stop = StopFilter(options.stop)
    for step in range(options.max_tokens):
        if step:
            token = yield from model.next_token(np.asarray([token]), cache, options, step, tokens)
        tokens.append(token)
        ended = token in eos_ids
        text, stopped = stop.add("" if ended else decoder.add(token))
        full = len(tokens) >= cache.limit or step + 1 == options.max_tokens
        if ended or stopped or full:
            if not stopped:
                rest, _ = stop.add(decoder.finish())
                text += rest + stop.held
            yield GeneratedToken(token, text, "stop" if ended or stopped else "length")
            return
        yield GeneratedToken(token, text)
