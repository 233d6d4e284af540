"""Where the compiled kernels live: an instance of one of the binaries, its memory and its threads."""

from __future__ import annotations

from typing import Protocol

from ...errors import DeviceError
from ..tensor import Array


class Host(Protocol):
    """An instance. In a page JavaScript makes it (`web/devices/simd_host.js`), natively `wasmtime` does."""

    threads: int
    """Threads that `run` may use."""
    relaxed: bool
    """Whether the kernels use relaxed SIMD."""
    base: int
    """Address of the first byte of memory that is free for tensors."""

    @property
    def limit(self) -> int:
        """Bytes that the memory may have at most."""
        ...

    def size(self) -> int:
        """Size of the memory in bytes."""
        ...

    def grow(self, size: int) -> bool:
        """Make the memory at least `size` bytes; False if there is no more."""
        ...

    def write(self, address: int, data: Array) -> None:
        """Copy a contiguous array to memory."""
        ...

    def read(self, address: int, out: Array) -> None:
        """Copy memory to a contiguous writable array."""
        ...

    def call(self, name: str, *arguments: int) -> int:
        """Call an exported function; 0 for one without a result."""
        ...

    def close(self) -> None:
        """Stop the threads and free the memory."""
        ...


def open_host(*, threads: int = 1, relaxed: bool = True) -> Host:
    """A native host. Raises `DeviceError` where `wasmtime` is not installed."""
    try:
        from .wasmtime_host import WasmtimeHost
    except ImportError as error:
        raise DeviceError(
            "the simd device needs the package wasmtime",
            where="simd",
            remedy="Install it: pip install wasmtime.",
        ) from error
    return WasmtimeHost(threads=threads, relaxed=relaxed)
