"""Arrays on their way to the GPU and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from ...errors import DeviceError
from ..tensor import Array, DeviceTensor, Values
from .host import Host, Reading
from .plan import Slice, padded
from .storage import SCALES

DTYPES = {"float64": "float32", "int64": "int32", "bool": "int32", "uint8": "int32"}
"""NumPy dtype → dtype on the device, where that differs."""
PACKED = (*SCALES, "F16", "BF16")
"""Storages whose buffers do not hold a plain array."""


def place(host: Host, values: Array) -> Slice:
    """A new buffer with these words, restored after a loss. Raises `DeviceError` for more than a buffer can hold."""
    size = padded(values.nbytes)
    limit = host.limits["maxBufferSize"]
    if size > limit:
        raise DeviceError(
            f"a tensor of {values.nbytes:,} bytes, this device's buffers hold {limit:,}",
            where="webgpu",
            remedy="Use a smaller or more strongly quantised model.",
        )
    buffer = host.create(size)
    host.write(buffer, 0, values, keep=True)
    return Slice(buffer, size)


def read(host: Host, tensors: Mapping[str, DeviceTensor]) -> Readback:
    """Read tensors as they are after all work submitted so far. Raises `DeviceError` for packed storages."""
    packed = [f"{name} is stored as {t.dtype}" for name, t in tensors.items() if t.dtype in PACKED]
    if packed:
        raise DeviceError(packed[0], where="webgpu", remedy="Read it from its file.")
    pieces = [(t.address, 0, padded(4 * prod(t.shape))) for t in tensors.values()]
    kinds = [(name, t.shape, {"F32": "float32"}.get(t.dtype, t.dtype)) for name, t in tensors.items()]
    return Readback(host.read(pieces), kinds)


class Readback:
    """Arrays on their way back: a `runtime.pending.Pending`."""

    def __init__(self, reading: Reading, kinds: Sequence[tuple[str, tuple[int, ...], str]]) -> None:
        self._reading = reading
        self._kinds = kinds
        self.promise: object | None = reading.promise

    def result(self) -> Values:
        """The arrays by name, once; waits where waiting is possible."""
        data = self._reading.result()
        values: Values = {}
        at = 0
        for name, shape, dtype in self._kinds:
            count = prod(shape)
            values[name] = np.frombuffer(data, dtype, count, at).reshape(shape).copy()
            at += padded(4 * count)
        return values
