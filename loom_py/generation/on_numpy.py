"""A decoder that runs on NumPy, kernel by kernel."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..models.protocols import Chunk, Decoder, Segment
from ..models.trace import trace_decoder
from ..models.weights import check_weights
from ..runtime import numpy_ops
from ..runtime.parts import NumpyParts
from ..runtime.pending import Waiting
from ..runtime.profiling import Measured, Profile, measure
from .cache import NumpyCache
from .runner import PREFILL_CHUNK
from .sampling import GenerationOptions, sample


class OnNumpy:
    """See `Runner`.

    **Arguments:**

    - `weights`: the decoder's, by name. Raises `ModelError` where one is missing or has another shape.
    """

    device_name = "numpy"
    activations = "f32"

    def __init__(self, decoder: Decoder, weights: Mapping[str, NDArray[Any]]) -> None:
        check_weights(weights, decoder.weights())
        self.decoder = decoder
        self.weights: Mapping[str, NDArray[Any]] = weights

    def new_cache(self, limit: int | None = None) -> NumpyCache:
        return NumpyCache(self.decoder, limit)

    def chunk(self, remaining: int) -> int:
        return min(remaining, PREFILL_CHUNK)

    def feed(self, ids: NDArray[np.integer[Any]], cache: NumpyCache) -> Generator[Waiting, None, None]:
        self._hidden(ids, cache)
        yield from ()

    def next_tokens(
        self,
        ids: NDArray[np.integer[Any]],
        cache: NumpyCache,
        options: GenerationOptions,
        step: int,
        seen: Sequence[int],
        most: int,
    ) -> Generator[Waiting, None, list[int]]:
        yield from ()
        return [sample(self.forward(ids, cache), options, step, seen)]

    def forward(
        self, ids: NDArray[np.integer[Any]], cache: NumpyCache, *, every: bool = False
    ) -> NDArray[np.floating[Any]]:
        logits = self.decoder.logits(numpy_ops, self.weights, self._hidden(ids, cache, every=every))
        return logits if every else logits[0]

    def profile(self, tokens: int, context: int, repeats: int) -> Generator[Waiting | Measured, None, Profile]:
        """The same kernel calls, recorded and replayed."""
        cache = self.new_cache()
        cache.reserve(context + tokens)
        program = trace_decoder(cache.decoder, tokens, cache.capacity, "next", fed=tokens == 1)
        arrays: dict[str, NDArray[Any]] = {**self.weights, **cache.arrays}
        arrays |= {"token": np.zeros(1, np.int64), "seen": np.zeros(self.decoder.facts.vocab_size, np.uint8)}
        parts = NumpyParts(program, {name: arrays[name] for name in program.state})
        cache.pretend(context, tokens)
        inputs = {"ids": np.zeros(tokens, np.int64), "positions": np.arange(context, context + tokens)}
        needed = {name: inputs[name] for name in program.inputs}
        numbers = cache.places()
        return (yield from measure(parts, self.device_name, needed, numbers, repeats=repeats))

    def hidden(self, ids: NDArray[np.integer[Any]], cache: NumpyCache) -> NDArray[np.floating[Any]]:
        return self._hidden(ids, cache, every=True)

    def hidden_steps(
        self, ids: NDArray[np.integer[Any]], cache: NumpyCache
    ) -> Generator[Waiting, None, NDArray[np.floating[Any]]]:
        yield from ()
        return self.hidden(ids, cache)

    def kept(self, cache: NumpyCache, name: str) -> NDArray[Any]:
        return cache.arrays[name][: cache.length]

    def close(self) -> None:
        """Forget the weights, which the frames of an exception may hold through this object."""
        self.weights = {}

    def _hidden(self, ids: NDArray[np.integer[Any]], cache: NumpyCache, *, every: bool = False) -> NDArray[Any]:
        forgotten = np.array(cache.reserve(cache.length + len(ids)), dtype=np.int64)
        for start in range(0, len(forgotten), PREFILL_CHUNK):
            self._hidden(forgotten[start : start + PREFILL_CHUNK], cache)
        if cache.bases and len(ids) > PREFILL_CHUNK:  # rows of a window have room for a chunk
            starts = range(0, len(ids), PREFILL_CHUNK)
            parts = [self._hidden(ids[start : start + PREFILL_CHUNK], cache, every=every) for start in starts]
            return np.concatenate(parts) if every else parts[-1]
        for window in cache.crowded(len(ids)):
            cache.move(window)
        positions = partial(np.arange, cache.length, cache.length + len(ids))
        places = {layer: cache.length - cache.bases[window] for layer, window in cache.windows.items()}
        chunk = Chunk(ids, (Segment(len(ids), cache.length, cache.layers, places),), every, positions)
        cache.begin()
        hidden = cache.decoder.trace(numpy_ops, self.weights, chunk)
        cache.add(ids)
        return hidden
