"""A decoder whose weights, caches and sampling live on a device: Python sees token ids only."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import DeviceLost
from ..models.protocols import Decoder
from ..models.trace import Want, trace_decoder, trace_moving
from ..models.weights import check_weights
from ..runtime.device import Activations, Device, Executable, release
from ..runtime.parts import Parts
from ..runtime.pending import Waiting, finished, settle
from ..runtime.profiling import Measured, Profile, compiled_parts, device_text, measure
from ..runtime.program import Program
from ..runtime.stored import StoredWeight
from ..runtime.tensor import DeviceTensor
from ..runtime.transforms import fuse
from .cache import BLOCK_SECONDS, DeviceCache
from .runner import PREFILL_CHUNK
from .sampling import GenerationOptions

T = TypeVar("T")
Ids = NDArray[np.integer[Any]]
ACTIVATIONS: tuple[Activations, ...] = ("q16", "f32")
BLOCK = 8
"""The most tokens that are drawn without Python in between."""


class OnDevice:
    """See `Runner`.

    **Arguments:**

    - `weights`: the decoder's, by name, on the device; once this object is made they are freed with it.
    - `activations`: what quantised weights are multiplied with where the device offers a choice, `f32` or `q16` (16
      bits a number, scaled by 32s).
    """

    def __init__(
        self, decoder: Decoder, weights: Mapping[str, StoredWeight], device: Device, activations: Activations = "q16"
    ) -> None:
        check_weights(weights, decoder.weights())
        self.decoder = decoder
        self.device = device
        self.activations: Activations = activations if activations in device.activations else "f32"
        self._tensors = {name: weight.tensor for name, weight in weights.items()}
        self._finalizer = weakref.finalize(self, release, device, self._tensors, {})

    @property
    def device_name(self) -> str:
        return self.device.name

    def close(self) -> None:
        self._finalizer()

    def new_cache(self, limit: int | None = None) -> DeviceCache:
        return DeviceCache(self.decoder, self.device, limit)

    def chunk(self, remaining: int) -> int:
        """A power of two, so that few programs serve all prompts."""
        return 1 << (min(remaining, PREFILL_CHUNK).bit_length() - 1)

    def forward(self, ids: Ids, cache: DeviceCache, *, every: bool = False) -> NDArray[np.floating[Any]]:
        rows = finished(self._rows(ids, cache, "every" if every else "logits"))
        return np.concatenate(rows) if every else rows[-1]

    def hidden(self, ids: Ids, cache: DeviceCache) -> NDArray[np.floating[Any]]:
        return finished(self.hidden_steps(ids, cache))

    def hidden_steps(self, ids: Ids, cache: DeviceCache) -> Generator[Waiting, None, NDArray[np.floating[Any]]]:
        return np.concatenate((yield from self._rows(ids, cache, "hidden")))

    def kept(self, cache: DeviceCache, name: str) -> NDArray[Any]:
        return self.device.download(cache.tensors[name])[: cache.length]

    def _rows(self, ids: Ids, cache: DeviceCache, wanted: Want) -> Generator[Waiting, None, list[NDArray[Any]]]:
        """What is wanted of each part of the ids, or of the last one."""
        if cache.generation != self.device.generation:
            yield from self._refill(cache)
        yield from self._again(cache.reserve(cache.length + len(ids)), cache)
        rows: list[NDArray[Any]] = []
        done = 0
        while done < len(ids):
            part = ids[done : done + self.chunk(len(ids) - done)]
            done += len(part)
            want: Want = wanted if wanted != "logits" or done == len(ids) else "nothing"
            program = self._program(cache, len(part), want)
            yield from self._move(cache, len(part))
            cache.begin()
            inputs = _inputs(program.program, part, cache)
            out = yield from settle(program.submit(inputs, **cache.places()))
            cache.add(part)
            rows += out.values()
        return rows

    def feed(self, ids: Ids, cache: DeviceCache) -> Generator[Waiting, None, None]:
        yield from self._recovering(cache, lambda: self._feed(ids, cache))

    def next_tokens(
        self, ids: Ids, cache: DeviceCache, options: GenerationOptions, step: int, seen: Sequence[int], most: int
    ) -> Generator[Waiting, None, list[int]]:
        def work() -> Generator[Waiting, None, list[int]]:
            if step > 0 and len(ids) == 1 and cache.token == int(ids[0]):
                return (yield from self._following(cache, int(ids[0]), options, step, most))
            return [(yield from self._next_token(ids, cache, options, step, seen))]

        return (yield from self._recovering(cache, work))

    def _recovering(
        self, cache: DeviceCache, work: Callable[[], Generator[Waiting, None, T]]
    ) -> Generator[Waiting, None, T]:
        """Do `work`; if the GPU is lost, reopen it, refill the cache and do it once more."""
        if cache.generation == self.device.generation:
            with suppress(DeviceLost):
                return (yield from work())
            yield from self.device.reopen()
        yield from self._refill(cache)
        return (yield from work())

    def _refill(self, cache: DeviceCache) -> Generator[Waiting, None, None]:
        """Feed the cache's tokens to a reopened device; where this is interrupted it can be done again."""
        cache.token = None
        generation, ids = self.device.generation, list(cache.ids)
        cache.truncate(0)
        try:
            yield from self._again(ids, cache)
            cache.generation = generation
        finally:
            cache.length, cache.ids = len(ids), ids

    def _again(self, ids: Sequence[int], cache: DeviceCache) -> Generator[Waiting, None, None]:
        """Feed tokens that the cache has forgotten; where the GPU is lost meanwhile they are still the ones to feed."""
        done = 0
        try:
            while done < len(ids):
                count = self.chunk(len(ids) - done)
                yield from self._feed(np.asarray(ids[done : done + count]), cache)
                done += count
        except DeviceLost:
            cache.length, cache.ids = len(ids), list(ids)
            raise

    def _feed(self, ids: Ids, cache: DeviceCache) -> Generator[Waiting, None, None]:
        yield from self._again(cache.reserve(cache.length + len(ids)), cache)
        program = self._program(cache, len(ids), "nothing")
        yield from self._move(cache, len(ids))
        cache.begin()
        yield from settle(program.submit(_inputs(program.program, ids, cache), **cache.places()))
        cache.add(ids)

    def _next_token(
        self, ids: Ids, cache: DeviceCache, options: GenerationOptions, step: int, seen: Sequence[int]
    ) -> Generator[Waiting, None, int]:
        yield from self._again(cache.reserve(cache.length + len(ids)), cache)
        cache.prepare_drawing(self.decoder.facts.vocab_size)
        if options.penalty != 1:
            flags = np.zeros(self.decoder.facts.vocab_size, np.uint8)
            flags[np.asarray(seen, dtype=np.int64)] = 1
            self.device.write(cache.drawn["seen"], flags)
        cache.token = None
        program = self._program(cache, len(ids), "next")
        inputs = _inputs(program.program, ids, cache)
        yield from self._move(cache, len(ids))
        cache.begin()
        out = yield from settle(program.submit(inputs, **cache.places(), **options.numbers(step)))
        cache.add(ids)
        cache.token = int(out["next"][0])
        return cache.token

    def _following(
        self, cache: DeviceCache, first: int, options: GenerationOptions, step: int, most: int
    ) -> Generator[Waiting, None, list[int]]:
        """The tokens behind `first`, the one on the device, which is fed there, and so are they."""
        count = cache.ahead(min(most, max(1, int(BLOCK_SECONDS / cache.seconds)), BLOCK))
        cache.token = None
        yield from self._again(cache.reserve(cache.length + count), cache)
        program = self._program(cache, 1, "next", True)
        yield from self._move(cache, count)
        cache.begin()
        steps = np.arange(count)
        numbers: dict[str, Any] = {name: place + steps for name, place in cache.places().items()}
        numbers |= options.numbers(step) | {"step": step + steps}
        if program.program.inputs:
            numbers["row"] = numbers["position"]
        start = time.perf_counter()
        out = yield from settle(program.submit_many(numbers, count))
        cache.seconds = max((time.perf_counter() - start) / count, 1e-6)
        tokens: list[int] = out["next"][:, 0].tolist()
        cache.add([first, *tokens[:-1]])
        cache.token = tokens[-1]
        return tokens

    def profile(self, tokens: int, context: int, repeats: int) -> Generator[Waiting | Measured, None, Profile]:
        """With a cache of its own, whose contents do not matter to the time."""
        cache = self.new_cache()
        parts: Parts | None = None
        try:
            cache.reserve(context + tokens)
            cache.prepare_drawing(self.decoder.facts.vocab_size)
            program, state = self._traced(cache, tokens, "next", tokens == 1)
            parts = compiled_parts(self.device, program, state, activations=self.activations)
            cache.pretend(context, tokens)
            inputs = _inputs(program, np.zeros(tokens, np.int64), cache)
            numbers = cache.places()
            return (yield from measure(parts, device_text(self.device), inputs, numbers, repeats=repeats))
        finally:
            if parts is not None:
                parts.free()
            cache.close()

    def _move(self, cache: DeviceCache, count: int) -> Generator[Waiting, None, None]:
        """Make room for `count` tokens in the layers that keep a window."""
        for window in cache.crowded(count):
            if window not in cache.moves:
                program = trace_moving(cache.decoder, cache.capacity, window)
                state = {name: cache.tensors[name] for name in program.state}
                cache.moves[window] = self.device.compile(program, state)
            cache.begin_moving()
            yield from settle(cache.moves[window].submit({}))
            cache.moved(window)

    def _program(self, cache: DeviceCache, steps: int, want: Want, fed: bool = False) -> Executable:
        key = steps, want, fed
        if key not in cache.programs:
            program, state = self._traced(cache, steps, want, fed)
            tables = {name: np.arange(cache.limit)[:, None] for name in program.inputs if fed}
            cache.programs[key] = self.device.compile(
                program, state, tables=tables, keep=BLOCK * fed, kept=("next",), activations=self.activations
            )
        return cache.programs[key]

    def _traced(
        self, cache: DeviceCache, steps: int, want: Want, fed: bool
    ) -> tuple[Program, Mapping[str, DeviceTensor]]:
        """A program, and the tensors that are its state."""
        program = fuse(trace_decoder(cache.decoder, steps, cache.capacity, want, fed=fed))
        tensors = {**self._tensors, **cache.tensors, **cache.drawn}
        return program, {name: tensors[name] for name in program.state}


def _inputs(program: Program, ids: Ids, cache: DeviceCache) -> dict[str, NDArray[Any]]:
    """What a program takes of these tokens, which go to the end of the cache."""
    needed = program.inputs
    inputs: dict[str, NDArray[Any]] = {"ids": ids} if "ids" in needed else {}
    if "positions" in needed:
        inputs["positions"] = np.arange(cache.length, cache.length + len(ids))
    return inputs
