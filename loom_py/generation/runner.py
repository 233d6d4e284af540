"""A decoder with its weights somewhere: what generation asks of it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..models.protocols import Decoder
from ..models.windows import CHUNK
from ..runtime.pending import Waiting
from ..runtime.profiling import Measured, Profile
from .cache import Cache
from .sampling import GenerationOptions

PREFILL_CHUNK = CHUNK
"""The most prompt tokens that go through the decoder at once."""
CacheT = TypeVar("CacheT", bound=Cache)


class Runner(Protocol[CacheT]):
    """Token ids in, tokens or logits out; the caches that it takes are those that it made."""

    @property
    def decoder(self) -> Decoder: ...

    @property
    def device_name(self) -> str:
        """Where it runs."""
        ...

    @property
    def activations(self) -> str:
        """What quantised weights are multiplied with: `f32`, or `q16` (16 bits a number, scaled by 32s)."""
        ...

    def new_cache(self, limit: int | None = None) -> CacheT:
        """An empty cache for up to `limit` positions (default: what the model was trained for)."""
        ...

    def chunk(self, remaining: int) -> int:
        """How many of so many prompt tokens to feed at once."""
        ...

    def feed(self, ids: NDArray[np.integer[Any]], cache: CacheT) -> Generator[Waiting, None, None]:
        """Append ids (T,) to `cache`. A generator, as a device may have to be waited for."""
        ...

    def next_tokens(
        self,
        ids: NDArray[np.integer[Any]],
        cache: CacheT,
        options: GenerationOptions,
        step: int,
        seen: Sequence[int],
        most: int,
    ) -> Generator[Waiting, None, list[int]]:
        """Append ids (T,) to `cache` → the token drawn from the logits of the last, and maybe those that follow it.

        A runner may go on by itself; all tokens but the last are in `cache` then. They are those of one at a time.

        **Arguments:**

        - `step`: number of the first draw.
        - `seen`: every token so far, `ids` too; for the repetition penalty.
        - `most`: tokens to draw at most, from 1 on.
        """
        ...

    def forward(
        self, ids: NDArray[np.integer[Any]], cache: CacheT, *, every: bool = False
    ) -> NDArray[np.floating[Any]]:
        """ids (T,), appended to `cache` → logits of the last position (V,), or of every position (T, V)."""
        ...

    def profile(self, tokens: int, context: int, repeats: int) -> Generator[Waiting | Measured, None, Profile]:
        """Where the time goes of a step that appends `tokens` ids behind `context` others and draws the next."""
        ...

    def hidden(self, ids: NDArray[np.integer[Any]], cache: CacheT) -> NDArray[np.floating[Any]]:
        """ids (T,), appended to `cache` → what the head gets of every position: (T, hidden)."""
        ...

    def hidden_steps(
        self, ids: NDArray[np.integer[Any]], cache: CacheT
    ) -> Generator[Waiting, None, NDArray[np.floating[Any]]]:
        """`hidden` for callers that can wait."""
        ...

    def kept(self, cache: CacheT, name: str) -> NDArray[Any]:
        """What a layer keeps under `name` (`<name>.<layer>`) of the positions that `cache` holds: (length, …)."""
        ...

    def close(self) -> None:
        """Give a device's memory back now; nothing can be run afterwards."""
        ...
