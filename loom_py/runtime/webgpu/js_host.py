"""The GPU of a page: a thin cover over `web/devices/webgpu_host.js`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ...errors import DeviceError, DeviceLost
from ..tensor import Array


class JsBytes(Protocol):
    """A `Uint8Array`, seen through Pyodide."""

    length: int

    def assign_to(self, target: Array, /) -> None: ...


class JsPendingRead(Protocol):
    """The result of `WebGPUHost.read`; `bytes` or `error` is set once `promise` has settled."""

    promise: object
    bytes: JsBytes | None
    error: str
    lost: bool


class JsWebGPUHost(Protocol):
    """A `WebGPUHost` of `web/devices/webgpu_host.js`."""

    generation: int
    lost: str
    facts: str

    def failure(self) -> str: ...
    def reopen(self) -> object: ...
    def lose(self, reason: str, /) -> None: ...
    def create(self, nbytes: int, /) -> int: ...
    def destroy(self, buffer: int, /) -> None: ...
    def used(self) -> Sequence[int]: ...
    def write(self, buffer: int, offset: int, data: object, keep: bool, /) -> None: ...
    def copy(self, source: int, target: int, nbytes: int, /) -> None: ...
    def read(self, pieces: object, /) -> JsPendingRead: ...
    def plan(self, spec: str, uniforms: object, /) -> int: ...
    def replay(self, plan: int, rows: object, steps: int, indices: object, keep: bool, /) -> None: ...
    def drop(self, plan: int, /) -> None: ...
    def close(self) -> None: ...


class JsReading:
    """See `Reading`. It can only be waited for where WebAssembly can wait for promises (JSPI)."""

    def __init__(self, js: JsPendingRead, host: JsHost) -> None:
        self._js = js
        self._host = host
        self.promise: object | None = js.promise

    def result(self) -> memoryview:
        if self._js.bytes is None and not self._js.error:
            _wait(self.promise)
        self._host.check()
        if self._js.lost:
            raise DeviceLost(str(self._js.error), where="webgpu", remedy="Try again.")
        data = self._js.bytes
        if self._js.error or data is None:
            raise DeviceError(str(self._js.error), where="webgpu")
        out = np.empty(int(data.length), np.uint8)
        data.assign_to(out)
        return out.data


def _wait(promise: object) -> None:
    from pyodide.ffi import can_run_sync, run_sync  # type: ignore[import-not-found]  # only there in a page

    if not can_run_sync():
        raise DeviceError(
            "this browser cannot wait for the GPU's answer inside a synchronous call",
            where="webgpu",
            remedy="Use the promise API, a browser with WebAssembly JSPI, or another device.",
        )
    run_sync(promise)


class JsHost:
    """See `Host`."""

    def __init__(self, js: JsWebGPUHost) -> None:
        self._js = js
        self._facts_read: tuple[int, dict[str, Any]] = -1, {}

    def _facts(self) -> dict[str, Any]:
        generation = self.generation
        if generation != self._facts_read[0]:
            self._facts_read = generation, json.loads(str(self._js.facts))
        return self._facts_read[1]

    @property
    def adapter(self) -> Mapping[str, Any]:
        return self._facts()["adapter"]

    @property
    def features(self) -> Sequence[str]:
        return self._facts()["features"]

    @property
    def limits(self) -> Mapping[str, int]:
        return self._facts()["limits"]

    @property
    def generation(self) -> int:
        return int(self._js.generation)

    @property
    def lost(self) -> str:
        return str(self._js.lost)

    def check(self) -> None:
        """Raise an error that occurred since the last call."""
        if self.lost:
            raise DeviceLost(self.lost, where="webgpu", remedy="Try again, or choose another device.")
        failure = str(self._js.failure())
        if failure:
            raise DeviceError(failure, where="webgpu", remedy="Choose another device, or a smaller model.")

    def reopen(self) -> object:
        return self._js.reopen()

    def lose(self, reason: str) -> None:
        self._js.lose(reason)

    def create(self, nbytes: int) -> int:
        self.check()
        return int(self._js.create(nbytes))

    def destroy(self, buffer: int) -> None:
        self._js.destroy(buffer)

    def used(self) -> tuple[int, int]:
        nbytes, buffers = self._js.used()
        return int(nbytes), int(buffers)

    def write(self, buffer: int, offset: int, data: Array, *, keep: bool = False) -> None:
        self.check()
        if data.nbytes:
            self._js.write(buffer, offset, _bytes(data), keep)

    def copy(self, source: int, target: int, nbytes: int) -> None:
        self.check()
        self._js.copy(source, target, nbytes)

    def read(self, pieces: Sequence[tuple[int, int, int]]) -> JsReading:
        self.check()
        return JsReading(self._js.read(_list([n for piece in pieces for n in piece])), self)

    def plan(self, spec: str, uniforms: bytes) -> int:
        self.check()
        return int(self._js.plan(spec, _bytes(np.frombuffer(uniforms, np.uint8))))

    def replay(self, plan: int, rows: Array, steps: int, indices: Sequence[int], keep: bool) -> None:
        self.check()
        self._js.replay(plan, _bytes(rows), steps, _list(list(indices)), keep)

    def drop(self, plan: int) -> None:
        self._js.drop(plan)

    def close(self) -> None:
        self._js.close()


def _bytes(data: Array) -> object:
    """A `Uint8Array` with the bytes of an array."""
    from pyodide.ffi import to_js  # type: ignore[import-not-found]  # only there in a page

    return to_js(np.ascontiguousarray(data).reshape(-1).view(np.uint8))  # pyright: ignore[reportUnknownVariableType]


def _list(numbers: list[int]) -> object:
    from pyodide.ffi import to_js  # type: ignore[import-not-found]  # only there in a page

    return to_js(numbers)  # pyright: ignore[reportUnknownVariableType]
