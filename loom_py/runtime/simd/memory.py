"""First-fit allocation in a host's linear memory, and copies of arrays to and from it."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from ...errors import DeviceError
from ..tensor import Array, DeviceTensor
from .host import Host

ALIGNMENT = 64
GROWTH = 1 << 20
DTYPES = {"float64": "float32", "int64": "int32"}
"""NumPy dtype → dtype on the device, where that differs."""


class Memory:
    """Blocks of linear memory. Neighbouring free blocks become one."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._end = -(-host.base // ALIGNMENT) * ALIGNMENT
        self._free: list[tuple[int, int]] = []  # (address, size), by address
        self._sizes: dict[int, int] = {}

    @property
    def used(self) -> int:
        """Bytes of all allocated blocks."""
        return sum(self._sizes.values())

    def allocate(self, nbytes: int) -> int:
        """Address of a new block, 64-byte aligned. Raises `DeviceError` when the memory is full."""
        size = max(-(-nbytes // ALIGNMENT), 1) * ALIGNMENT
        for i, (address, free) in enumerate(self._free):
            if free >= size:
                self._free[i : i + 1] = [(address + size, free - size)] if free > size else []
                self._sizes[address] = size
                return address
        address, end = self._end, self._end + size
        if end > self.host.size() and not (
            self.host.grow(-(-end // GROWTH) * GROWTH) or (end <= self.host.size() or self.host.grow(end))
        ):
            raise DeviceError(
                f"{nbytes:,} more bytes do not fit the memory of {self.host.size():,} bytes",
                where="simd",
                remedy="Use a smaller model or context, or close other tabs.",
            )
        self._end = end
        self._sizes[address] = size
        return address

    def free(self, address: int) -> None:
        """Free a block. Raises `DeviceError` for an address that is not a block's."""
        size = self._sizes.pop(address, None)
        if size is None:
            raise DeviceError(f"{address} is not an allocated address", where="simd")
        at = bisect_right(self._free, (address, 0))
        if at < len(self._free) and self._free[at][0] == address + size:
            size += self._free.pop(at)[1]
        if at and sum(self._free[at - 1]) == address:
            at -= 1
            address, before = self._free.pop(at)
            size += before
        if address + size == self._end:
            self._end = address
        else:
            self._free.insert(at, (address, size))

    def store(self, values: Array) -> int:
        """Address of a new block that holds a contiguous array."""
        address = self.allocate(values.nbytes)
        self.host.write(address, values)
        return address

    def load(self, tensor: DeviceTensor) -> Array:
        """A copy of a tensor."""
        out = np.empty(tensor.shape, tensor.dtype)
        self.host.read(tensor.address, out)
        return out
