"""A Llama whose weights, cache and sampling live on a device: Python sees token ids only."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import DeviceLost
from ..generation.sampling import GenerationOptions
from ..runtime.device import DeviceTensor, Executable, Reopens, Waiting, finished, release, settle
from ..runtime.stored import StoredWeight
from ..runtime.transforms import fuse
from .config import LlamaConfig
from .llama import KVCache, Llama
from .trace import Want, trace_decoder

T = TypeVar("T")
ACTIVATIONS = ("q16", "f32")


@dataclass
class DeviceKVCache(KVCache):
    """Keys and values in device memory, with the programs that use them; its memory goes when it does."""

    device: Any = None
    tensors: dict[str, DeviceTensor] = field(default_factory=dict)
    """`keys.<layer>` and `values.<layer>`, each (capacity, kv_heads, head_dim)."""
    programs: dict[tuple[int, Want, bool], Executable] = field(default_factory=dict)
    """(tokens, what is wanted, whether the token on the device is fed) → program."""
    ids: list[int] = field(default_factory=list)
    """The tokens whose keys and values are here: what is needed to make them again."""
    generation: int = 0
    """The device's when they were made; in a later one they are gone."""
    smallest: ClassVar[int] = 512

    def __post_init__(self) -> None:
        self.generation = self.device.generation
        self._finalizer = weakref.finalize(self, release, self.device, self.tensors, self.programs)

    @property
    def capacity(self) -> int:
        return self.tensors["keys.0"].shape[0] if self.tensors else 0

    def grow(self, capacity: int) -> None:
        """All or nothing: a `DeviceError` for want of memory leaves the cache as it was."""
        shape = (capacity, self.config.num_key_value_heads, self.config.head_dim)
        names = [f"{part}.{i}" for part in ("keys", "values") for i in range(self.config.num_hidden_layers)]
        grown: dict[str, DeviceTensor] = {}
        try:
            for name in names:
                grown[name] = self.device.empty(shape, "float32")
            for name, tensor in self.tensors.items():
                self.device.copy(tensor, grown[name])
        except BaseException:
            release(self.device, grown, {})
            raise
        release(self.device, self.tensors, self.programs)
        self.tensors.update(grown)

    def truncate(self, length: int) -> None:
        super().truncate(length)
        del self.ids[self.length :]

    def fed(self, ids: Sequence[int] | NDArray[Any]) -> None:
        """These tokens have been added."""
        self.ids += [int(i) for i in ids]
        self.length += len(ids)

    def close(self) -> None:
        """Give the memory back now."""
        self._finalizer()
        self.tensors.clear()
        self.programs.clear()


class DeviceLlama(Llama):
    """As `Llama`, on a device.

    **Arguments:**

    - `weights`: on the device; once this object is made they are freed with it.
    - `activations`: what quantised weights are multiplied with, `f32` or `q16` (16 bits a number, scaled by 32s).
    """

    def __init__(
        self, config: LlamaConfig, weights: Mapping[str, StoredWeight], device: Any, activations: str = "q16"
    ) -> None:
        super().__init__(config, weights)
        self.device = device
        self.activations = activations if activations in getattr(device, "activations", ACTIVATIONS) else "f32"
        self._stored = dict(weights)
        self._tensors = {"token": device.upload(np.zeros(1, np.int64))}
        try:
            self._tensors["seen"] = device.upload(np.zeros(config.vocab_size, np.uint8))
        except BaseException:
            device.free(self._tensors["token"])
            raise
        self._tensors |= {name: weight.tensor for name, weight in weights.items()}
        self._finalizer = weakref.finalize(self, release, device, self._tensors, {})
        self._held: int | None = None  # the id in `token`, if it is known

    def close(self) -> None:
        """Give the memory back now."""
        self._finalizer()

    def new_cache(self, limit: int | None = None) -> DeviceKVCache:
        most = self.config.max_position_embeddings
        return DeviceKVCache(self.config, min(limit or most, most), device=self.device)

    def chunk(self, remaining: int) -> int:
        """A power of two, so that few programs serve all prompts."""
        return 1 << (super().chunk(remaining).bit_length() - 1)

    def forward(self, ids: NDArray[np.integer[Any]], cache: KVCache, *, every: bool = False) -> NDArray[np.float32]:
        assert isinstance(cache, DeviceKVCache)
        if cache.generation != self.device.generation:
            finished(self._refill(cache))
        cache.reserve(cache.length + len(ids))
        rows: list[NDArray[Any]] = []
        done = 0
        while done < len(ids):
            part = ids[done : done + self.chunk(len(ids) - done)]
            done += len(part)
            want: Want = "every" if every else "logits" if done == len(ids) else "nothing"
            out = self._program(cache, len(part), want).run({"ids": part}, position=cache.length)
            cache.fed(part)
            rows += [out["logits"]] if "logits" in out else []
        return np.concatenate(rows) if every else rows[-1]

    def feed(self, ids: NDArray[np.integer[Any]], cache: KVCache) -> Generator[Waiting, None, None]:
        assert isinstance(cache, DeviceKVCache)
        yield from self._surely(cache, lambda: self._feed(ids, cache))

    def _feed(self, ids: NDArray[np.integer[Any]], cache: DeviceKVCache) -> Generator[Waiting, None, None]:
        cache.reserve(cache.length + len(ids))
        program = self._program(cache, len(ids), "nothing")
        yield from settle(program.submit({"ids": ids}, position=cache.length))
        cache.fed(ids)

    def _surely(
        self, cache: DeviceKVCache, work: Callable[[], Generator[Waiting, None, T]]
    ) -> Generator[Waiting, None, T]:
        """Work that a lost GPU interrupts once is done again on a new one, after the cache was made again."""
        if cache.generation == self.device.generation:
            try:
                return (yield from work())
            except DeviceLost:
                if not isinstance(self.device, Reopens):
                    raise
            yield from self.device.reopen()
        yield from self._refill(cache)
        return (yield from work())

    def _refill(self, cache: DeviceKVCache) -> Generator[Waiting, None, None]:
        """The cache's tokens are fed again to a device that was opened anew; interrupted, it can be done again."""
        self._held = None
        generation, again = self.device.generation, cache.ids
        cache.length, cache.ids = 0, []
        try:
            while cache.length < len(again):
                count = self.chunk(len(again) - cache.length)
                yield from self._feed(np.asarray(again[cache.length : cache.length + count]), cache)
            cache.generation = generation
        finally:
            cache.length, cache.ids = len(again), again

    def next_token(
        self,
        ids: NDArray[np.integer[Any]],
        cache: KVCache,
        options: GenerationOptions,
        step: int,
        seen: Sequence[int],
    ) -> Generator[Waiting, None, int]:
        assert isinstance(cache, DeviceKVCache)
        return (yield from self._surely(cache, lambda: self._next_token(ids, cache, options, step, seen)))

    def _next_token(
        self,
        ids: NDArray[np.integer[Any]],
        cache: DeviceKVCache,
        options: GenerationOptions,
        step: int,
        seen: Sequence[int],
    ) -> Generator[Waiting, None, int]:
        cache.reserve(cache.length + len(ids))
        fed = step > 0 and len(ids) == 1 and self._held == int(ids[0])
        if not fed and options.repetition_penalty != 1:
            flags = np.zeros(self.config.vocab_size, np.uint8)
            flags[np.asarray(seen, dtype=np.int64)] = 1
            self.device.write(self._tensors["seen"], flags)
        self._held = None
        program = self._program(cache, len(ids), "next", fed)
        inputs = {} if fed else {"ids": ids}
        out = yield from settle(program.submit(inputs, position=cache.length, **options.numbers(step)))
        cache.fed(ids)
        self._held = int(out["next"][0])
        return self._held

    def _program(self, cache: DeviceKVCache, steps: int, want: Want, fed: bool = False) -> Executable:
        key = steps, want, fed
        if key not in cache.programs:
            program = fuse(trace_decoder(self, self._stored, steps, cache.capacity, want, fed=fed))
            state = {name: {**self._tensors, **cache.tensors}[name] for name in program.state}
            cache.programs[key] = self.device.compile(program, state, activations=self.activations)
        return cache.programs[key]
