"""An encoder with its weights somewhere: packs of texts in, hidden states and scores out."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Generator, Mapping
from contextlib import suppress
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import DeviceLost
from ..models.pack import PackedTexts, trace_encoder, trace_head
from ..models.protocols import Encoder
from ..models.weights import check_weights
from ..runtime import numpy_ops
from ..runtime.device import Activations, Device, Executable, release
from ..runtime.pending import Waiting, settle
from ..runtime.program import Program
from ..runtime.stored import StoredWeight
from ..runtime.tensor import Values
from ..runtime.transforms import fuse

Rows = NDArray[np.float32]
PROGRAMS = 12
"""The most programs whose temporaries are kept; packs of texts come in few sizes."""


class EncoderRunner(Protocol):
    """What a `TextEncoder` asks of it. Generators, as a device may have to be waited for."""

    @property
    def encoder(self) -> Encoder: ...

    @property
    def device_name(self) -> str: ...

    @property
    def activations(self) -> str: ...

    def hidden(self, texts: PackedTexts) -> Generator[Waiting, None, Rows]:
        """→ (T, hidden)."""
        ...

    def logits(self, hidden: Rows) -> Generator[Waiting, None, Rows]:
        """The head: (rows, hidden) → (rows, words or labels)."""
        ...

    def close(self) -> None:
        """Give a device's memory back now; nothing can be run afterwards."""
        ...


class EncoderOnNumpy:
    """See `EncoderRunner`. Raises `ModelError` where a weight is missing or has another shape."""

    device_name = "numpy"
    activations = "f32"

    def __init__(self, encoder: Encoder, weights: Mapping[str, NDArray[Any]]) -> None:
        check_weights(weights, encoder.weights())
        self.encoder = encoder
        self._weights: Mapping[str, NDArray[Any]] = weights

    def hidden(self, texts: PackedTexts) -> Generator[Waiting, None, Rows]:
        yield from ()
        return self.encoder.trace(numpy_ops, self._weights, texts.pack())

    def logits(self, hidden: Rows) -> Generator[Waiting, None, Rows]:
        yield from ()
        return self.encoder.logits(numpy_ops, self._weights, hidden)

    def close(self) -> None:
        """Forget the weights, which the frames of an exception may hold through this object."""
        self._weights = {}


class EncoderOnDevice:
    """See `EncoderRunner`.

    **Arguments:**

    - `weights`: the encoder's, by name, on the device; once this object is made they are freed with it.
    - `activations`: as for `OnDevice`.
    """

    def __init__(
        self, encoder: Encoder, weights: Mapping[str, StoredWeight], device: Device, activations: Activations = "q16"
    ) -> None:
        check_weights(weights, encoder.weights())
        self.encoder = encoder
        self.device = device
        self.activations: Activations = activations if activations in device.activations else "f32"
        self._programs: OrderedDict[tuple[str, int], Executable] = OrderedDict()
        self._tensors = {name: weight.tensor for name, weight in weights.items()}
        self._finalizer = weakref.finalize(self, release, device, self._tensors, self._programs)

    @property
    def device_name(self) -> str:
        return self.device.name

    def close(self) -> None:
        self._finalizer()

    def hidden(self, texts: PackedTexts) -> Generator[Waiting, None, Rows]:
        count = len(texts.ids)
        program = self._program("hidden", padded(count))
        inputs = texts.inputs(list(program.program.inputs), padded(count))
        return (yield from self._run(program, inputs))["hidden"][:count]

    def logits(self, hidden: Rows) -> Generator[Waiting, None, Rows]:
        count = len(hidden)
        rows = np.zeros((padded(count), hidden.shape[1]), np.float32)
        rows[:count] = hidden
        return (yield from self._run(self._program("logits", len(rows)), {"hidden": rows}))["logits"][:count]

    def _run(self, program: Executable, inputs: Mapping[str, NDArray[Any]]) -> Generator[Waiting, None, Values]:
        """One replay; if the GPU is lost, it is reopened, which brings the weights back, and asked once more."""
        if not self.device.lost:
            with suppress(DeviceLost):
                return (yield from settle(program.submit(inputs)))
        yield from self.device.reopen()
        return (yield from settle(program.submit(inputs)))

    def _program(self, want: str, rows: int) -> Executable:
        key = want, rows
        if key not in self._programs:
            trace = trace_encoder if want == "hidden" else trace_head
            program: Program = fuse(trace(self.encoder, rows))
            state = {name: self._tensors[name] for name in program.state}
            self._programs[key] = self.device.compile(program, state, activations=self.activations)
            if len(self._programs) > PROGRAMS:
                self._programs.popitem(last=False)[1].free()
        self._programs.move_to_end(key)
        return self._programs[key]


def padded(count: int) -> int:
    """The size of a program for so many rows. There are few: powers of two and three quarters of them, and of the
    larger ones seven eighths and each thirty-second beyond, where packs of many texts end."""
    size = max(8, 1 << (count - 1).bit_length())
    parts = (24, 28, 29, 30, 31, 32) if size > 128 else (24, 32)
    return max(8, next(size * part // 32 for part in parts if 32 * count <= size * part))
