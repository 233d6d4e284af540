"""The kernels outside a browser, run by wasmtime: the same binaries, for tests and for Python users."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np
import wasmtime
import wasmtime._ffi as ffi

from ...errors import DeviceError
from ...values import whole
from ..tensor import Array
from .binaries import binary

PAGE = 65536
STACK_BYTES = 65536
SCRATCH_BYTES = 256 * 1024  # as in simd/loom.h
MAX_PAGES = 65535


class _SharedMemory(wasmtime.SharedMemory):
    """wasmtime-py 50 passes one pointer too many when a shared memory is imported."""

    def _as_extern(self) -> Any:
        try:
            return super()._as_extern()
        except TypeError:
            union = ffi.wasmtime_extern_union(sharedmemory=self.ptr())
            return ffi.wasmtime_extern_t(ffi.WASMTIME_EXTERN_SHAREDMEMORY, union)


def _close(managed: Iterable[Any]) -> None:
    for part in managed:
        part.close()


class WasmtimeHost:
    """See `Host`."""

    limit = MAX_PAGES * PAGE

    def __init__(self, *, threads: int = 1, relaxed: bool = True) -> None:
        self.threads, self.relaxed = whole(threads, "threads", 1, 16), relaxed
        config = wasmtime.Config()
        config.wasm_threads = True
        config.wasm_relaxed_simd = True
        if threads > 1:
            config.shared_memory = True
        self._engine = wasmtime.Engine(config)
        path = binary(relaxed=relaxed, shared=threads > 1)
        self._module = wasmtime.Module(self._engine, path.read_bytes())
        self._store = wasmtime.Store(self._engine)
        wanted: Any = next(i.type for i in self._module.imports if i.name == "memory")
        limits = wanted.limits
        if threads > 1:
            kind = wasmtime.MemoryType(wasmtime.Limits(limits.min, MAX_PAGES), shared=True)
            self._memory: Any = _SharedMemory(self._engine, kind)
        else:
            kind = wasmtime.MemoryType(wasmtime.Limits(limits.min, MAX_PAGES))
            self._memory = wasmtime.Memory(self._store, kind)
        # In time: when the interpreter is taken down, wasmtime-py can no longer free them, and says so.
        managed = (self._store, self._module, self._engine, *([self._memory] if threads > 1 else []))
        weakref.finalize(self, _close, managed)
        self._exports = self._instance(self._store)
        self.base = self._exports["__heap_base"].value(self._store)
        self._pool: list[threading.Thread] = []
        for index in range(1, threads):
            self._start(index)

    def _instance(self, store: wasmtime.Store) -> Any:
        return wasmtime.Instance(store, self._module, [self._memory]).exports(store)

    def _start(self, index: int) -> None:
        """A pool thread has an instance of its own, with its own stack, over the same memory."""
        start = self.base
        self.base += STACK_BYTES + SCRATCH_BYTES
        if not self.grow(self.base):
            raise DeviceError("no memory for another thread", where="simd")
        store = wasmtime.Store(self._engine)
        exports = self._instance(store)
        exports["__stack_pointer"].set_value(store, start + STACK_BYTES)
        thread = threading.Thread(
            target=exports["serve"], args=(store, index, start + STACK_BYTES), daemon=True, name=f"simd-{index}"
        )
        thread.start()
        self._pool.append(thread)

    def size(self) -> int:
        return self._memory.data_len(*self._of())

    def _of(self) -> tuple[Any, ...]:
        return (self._store,) if self.threads == 1 else ()

    def grow(self, size: int) -> bool:
        missing = -(-(size - self.size()) // PAGE)
        if missing <= 0:
            return True
        try:
            self._memory.grow(*self._of(), missing)
        except wasmtime.WasmtimeError:
            return False
        return True

    def _view(self, address: int, nbytes: int) -> Any:
        pointer = ctypes.addressof(self._memory.data_ptr(*self._of()).contents)
        return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(pointer + address))

    def write(self, address: int, data: Array) -> None:
        flat = np.ascontiguousarray(data).view(np.uint8).reshape(-1)
        self._view(address, flat.size)[:] = flat

    def read(self, address: int, out: Array) -> None:
        flat = out.reshape(-1).view(np.uint8)
        flat[:] = self._view(address, flat.size)

    def call(self, name: str, *arguments: int) -> int:
        signed = [a - (a >> 31 << 32) for a in arguments]
        return (self._exports[name](self._store, *signed) or 0) & 0xFFFFFFFF

    def close(self) -> None:
        if self._pool:
            self.call("quit")
        for thread in self._pool:
            thread.join()
        self._pool.clear()
