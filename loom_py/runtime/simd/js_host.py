"""The kernels in a page: a thin cover over `web/devices/simd_host.js`."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..tensor import Array


class JsView(Protocol):
    """A `Uint8Array` over the kernels' memory, seen through Pyodide."""

    def assign(self, source: Array, /) -> None: ...
    def assign_to(self, target: Array, /) -> None: ...


class JsSimdHost(Protocol):
    """A `SimdHost` of `web/devices/simd_host.js`."""

    threads: int
    relaxed: bool
    base: int
    limit: int

    def size(self) -> int: ...
    def grow(self, size: int, /) -> bool: ...
    def view(self, address: int, nbytes: int, /) -> JsView: ...
    def call(self, name: str, *arguments: int) -> int: ...
    def close(self) -> None: ...


class JsHost:
    """See `Host`."""

    def __init__(self, js: JsSimdHost) -> None:
        self._js = js
        self.threads, self.relaxed, self.base = int(js.threads), bool(js.relaxed), int(js.base)
        self.limit = int(js.limit)
        self._call = js.call  # looked up once: a look-up crosses to JavaScript

    def size(self) -> int:
        return int(self._js.size())

    def grow(self, size: int) -> bool:
        return bool(self._js.grow(size))

    def write(self, address: int, data: Array) -> None:
        if data.nbytes:
            flat = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
            self._js.view(address, flat.nbytes).assign(flat)

    def read(self, address: int, out: Array) -> None:
        if out.nbytes:
            self._js.view(address, out.nbytes).assign_to(out.reshape(-1).view(np.uint8))

    def call(self, name: str, *arguments: int) -> int:
        return int(self._call(name, *arguments))

    def close(self) -> None:
        self._js.close()
