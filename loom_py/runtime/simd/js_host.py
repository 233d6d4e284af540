"""The kernels in a page: a thin cover over `web/devices/simd_host.js`."""

from __future__ import annotations

from typing import Any

import numpy as np


class JsHost:
    """See `Host`. `js` is a `SimdHost`."""

    def __init__(self, js: Any) -> None:
        self._js = js
        self.threads, self.relaxed, self.base = int(js.threads), bool(js.relaxed), int(js.base)
        self._call = js.call

    def size(self) -> int:
        return int(self._js.size())

    def grow(self, size: int) -> bool:
        return bool(self._js.grow(size))

    def write(self, address: int, data: Any) -> None:
        if data.nbytes:
            flat = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
            self._js.view(address, flat.nbytes).assign(flat)

    def read(self, address: int, out: Any) -> None:
        if out.nbytes:
            self._js.view(address, out.nbytes).assign_to(out.reshape(-1).view(np.uint8))

    def call(self, name: str, *arguments: int) -> int:
        return int(self._call(name, *arguments))

    def close(self) -> None:
        self._js.close()
