"""What a decoder's layers keep of one sequence, in NumPy's memory or a device's."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..models.protocols import Decoder, Longer
from ..models.trace import Want, kept_shape, kept_tensors
from ..models.windows import STEP, first_rows, steps_needed, windowed
from ..runtime.device import Device, Executable, release
from ..runtime.tensor import DeviceTensor

FIRST_BYTES = 1 << 26
"""What a cache may take at the beginning; where it would be more, it begins with half as many positions."""
BLOCK_SECONDS = 0.03
"""What tokens that are drawn without Python in between may take, so that text keeps coming and a stop gets through."""


class Cache(ABC):
    """Keys and values, windows of them, tails of convolutions: whatever the layers keep; grows by doubling.

    **Arguments:**

    - `limit`: the most positions, at most what the model was trained for (the default).
    """

    smallest: ClassVar[int]
    """Capacity to begin with, where that takes no more than `FIRST_BYTES`."""

    def __init__(self, decoder: Decoder, limit: int | None = None) -> None:
        most = decoder.facts.max_position_embeddings
        self.limit = min(limit or most, most)
        self.decoder = decoder
        """What it is filled by: another one where sequences of this length have another."""
        self._decoder = decoder
        self.length: int = 0
        """Positions it holds."""
        self.ids: list[int] = []
        """The tokens it holds: what is needed to fill it again."""
        self.layout = decoder.new_cache()
        self.kept = kept_tensors(self.layout)
        self._rewinds = all(kept.rows is None for kept in self.kept.values())
        self.windows = windowed(self.layout)
        """Layer → its window, for those that keep one."""
        self.bases = dict.fromkeys(sorted(set(self.windows.values())), 0)
        """Window → the position of row 0 in the layers that keep one."""
        self._interrupted = self._moving = False

    @property
    @abstractmethod
    def capacity(self) -> int:
        """Positions there is room for."""

    def reserve(self, length: int) -> list[int]:
        """Room for `length` positions in all. Raises `InputError` beyond `limit`.

        **Returns:** tokens to be fed again before any others: where sequences of this length have another decoder than
        shorter ones, all that it holds is forgotten.
        """
        if length > self.limit:
            raise InputError(
                f"{length} tokens do not fit the context of {self.limit}",
                where="context",
                remedy="Shorten the prompt or the conversation.",
            )
        if length > self.capacity:
            self.grow(min(self.limit, max(self._first, length, 2 * self.capacity)))
        longer = self._longer
        if longer is not None and length > longer.positions:
            ids = self.ids
            self._change(longer.decoder)
            return ids
        return []

    @property
    def _first(self) -> int:
        """Capacity to begin with: of larger models half of the smallest."""
        grows = (kept for kept in self.kept.values() if kept.rows is None)
        position = sum(prod(kept.shape) * np.dtype(kept.dtype).itemsize for kept in grows)
        return self.smallest if self.smallest * position <= FIRST_BYTES else self.smallest // 2

    @abstractmethod
    def grow(self, capacity: int) -> None:
        """Make room for `capacity` positions."""

    def places(self) -> dict[str, int]:
        """Where the next token goes, and its rows in layers that keep a window, by the names that programs use."""
        return {"position": self.length, **first_rows(self.bases.items(), self.length)}

    def ahead(self, most: int) -> int:
        """How many of `most` tokens may come at once though some may have to be forgotten again."""
        if not self._rewinds:
            return 1
        longer = self._longer
        end = self.limit if longer is None or self.length >= longer.positions else longer.positions
        return max(1, min(most, end - self.length))

    @property
    def _longer(self) -> Longer | None:
        """What fills the cache once the sequence is longer; None where it does already, or nothing else would."""
        return self._decoder.facts.longer if self.decoder is self._decoder else None

    def pretend(self, length: int, count: int) -> None:
        """As if `length` positions were in it and `count` tokens came, for measuring."""
        self.length = length
        for window in self.crowded(count):
            self.moved(window)

    def begin_moving(self) -> None:
        """Rows are about to move; `moved` follows. Where it does not, what the cache holds is lost."""
        self._moving = True

    def moved(self, window: int) -> None:
        """The rows of the layers with this window have moved up."""
        self.bases[window] += STEP
        self._moving = False

    def crowded(self, count: int) -> list[int]:
        """Windows whose rows must move up before `count` more tokens come; each as often as they must."""
        return [
            window for window, base in self.bases.items() for _ in range(steps_needed(self.length, count, base, window))
        ]

    def begin(self) -> None:
        """Tokens are on their way through the decoder, which changes what it keeps; `add` follows."""
        self._interrupted = True

    def add(self, ids: Sequence[int] | NDArray[Any]) -> None:
        """These tokens are in it now."""
        self.ids += [int(i) for i in ids]
        self.length += len(ids)
        self._interrupted = False

    def truncate(self, length: int) -> None:
        """Forget the positions from `length` on.

        Where a layer keeps a fixed number of rows they cannot be rewound: then everything is forgotten, also if work
        was interrupted between `begin` and `add`. So it is where a window before `length` is gone.
        """
        longer = self._decoder.facts.longer
        if longer is not None and self.decoder is not self._decoder and length <= longer.positions:
            self._change(self._decoder)
        lost = any(base and length < base + window - 1 for window, base in self.bases.items())
        if self._moving or (lost and length < self.length):
            self._forget()
        elif self._rewinds:
            self.length = min(self.length, length)
        elif length < self.length or self._interrupted:
            self._forget()
        del self.ids[self.length :]
        self._interrupted = False

    def _change(self, decoder: Decoder) -> None:
        """Be filled by another decoder from the first position on."""
        self.decoder = decoder
        self._forget()
        self.ids = []

    def _forget(self) -> None:
        self.length, self._moving = 0, False
        self.bases = dict.fromkeys(self.bases, 0)
        self.clear()

    @abstractmethod
    def clear(self) -> None:
        """Zero what layers keep in a fixed number of rows."""

    @abstractmethod
    def close(self) -> None:
        """Give the memory back now."""


class NumpyCache(Cache):
    """In arrays."""

    smallest = 256

    def __init__(self, decoder: Decoder, limit: int | None = None) -> None:
        super().__init__(decoder, limit)
        self.arrays: dict[str, NDArray[Any]] = {}
        """`<name>.<layer>`: (capacity or rows, *shape)."""
        self._capacity = 0

    @property
    def capacity(self) -> int:
        return self._capacity

    @property
    def layers(self) -> Sequence[Mapping[str, NDArray[Any]]]:
        """What each layer keeps, by name."""
        return [{name: self.arrays[f"{name}.{i}"] for name in layer} for i, layer in enumerate(self.layout)]

    def grow(self, capacity: int) -> None:
        for name, kept in self.kept.items():
            before = self.arrays.get(name)
            if kept.rows is not None and before is not None:
                continue
            grown = np.zeros(kept_shape(kept, capacity), kept.dtype)
            if before is not None:
                grown[: len(before)] = before
            self.arrays[name] = grown
        self._capacity = capacity

    def move(self, window: int) -> None:
        """The rows of the layers with this window move up."""
        for name, kept in self.kept.items():
            if kept.window == window:
                rows = self.arrays[name]
                rows[:-STEP] = rows[STEP:].copy()
        self.moved(window)

    def clear(self) -> None:
        for name, kept in self.kept.items():
            if kept.rows is not None and name in self.arrays:
                self.arrays[name].fill(0)

    def close(self) -> None:
        self.arrays.clear()
        self._capacity = 0


class DeviceCache(Cache):
    """In a device's memory, with the programs that use it; the memory goes when the cache does."""

    smallest = 512

    def __init__(self, decoder: Decoder, device: Device, limit: int | None = None) -> None:
        super().__init__(decoder, limit)
        self.device = device
        self.tensors: dict[str, DeviceTensor] = {}
        """`<name>.<layer>`: (capacity or rows, *shape)."""
        self.drawn: dict[str, DeviceTensor] = {}
        """`token` (1,), drawn last; `seen` (V,), flags of all tokens. From the first draw on."""
        self.token: int | None = None
        """The id in `token`, where that is certain."""
        self.seconds = BLOCK_SECONDS
        """What the last token that followed another took; as if it had been slow before there is one."""
        self.programs: dict[tuple[int, Want, bool], Executable] = {}
        """(tokens, what is wanted, whether the token on the device is fed) → program."""
        self.moves: dict[int, Executable] = {}
        """Window → the program that moves its rows up."""
        self.generation: int = device.generation
        """The device's when it was filled; in a later one the contents are gone."""
        self._capacity = 0
        self._finalizers = (
            weakref.finalize(self, release, device, self.tensors, self.programs),
            weakref.finalize(self, release, device, {}, self.moves),
            weakref.finalize(self, release, device, self.drawn, {}),
        )

    @property
    def capacity(self) -> int:
        return self._capacity

    def grow(self, capacity: int) -> None:
        """All or nothing: a `DeviceError` for want of memory leaves the cache as it was."""
        grown: dict[str, DeviceTensor] = {}
        try:
            for name, kept in self.kept.items():
                shape = kept_shape(kept, capacity)
                if kept.rows is None:
                    grown[name] = self.device.empty(shape, kept.dtype)
                elif name not in self.tensors:
                    grown[name] = self.device.upload(np.zeros(shape, kept.dtype))
            for name in self.tensors.keys() & grown.keys():
                self.device.copy(self.tensors[name], grown[name])
        except BaseException:
            release(self.device, grown, {})
            raise
        replaced = {name: self.tensors[name] for name in self.tensors.keys() & grown.keys()}
        release(self.device, replaced, self.programs)
        release(self.device, {}, self.moves)
        self.tensors.update(grown)
        self._capacity = capacity

    def clear(self) -> None:
        for name, kept in self.kept.items():
            if kept.rows is not None and name in self.tensors:
                self.device.write(self.tensors[name], np.zeros(self.tensors[name].shape, kept.dtype))

    def _change(self, decoder: Decoder) -> None:
        release(self.device, {}, self.programs)
        super()._change(decoder)

    def prepare_drawing(self, vocab_size: int) -> None:
        """Make the tensors of `drawn`, if they are not there."""
        if "token" not in self.drawn:
            self.drawn["token"] = self.device.upload(np.zeros(1, np.int64))
        if "seen" not in self.drawn:
            self.drawn["seen"] = self.device.upload(np.zeros(vocab_size, np.uint8))

    def close(self) -> None:
        for finalizer in self._finalizers:
            finalizer()
        self.tensors.clear()
        self.drawn.clear()
        self.programs.clear()
        self.moves.clear()
        self._capacity = 0
