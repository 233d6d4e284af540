"""Shaders outside a browser, run by wgpu-py: the same WGSL and the same plans, for tests and for Python users."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import DeviceError, DeviceLost
from ..tensor import Array

FEATURES = ("shader-f16", "subgroup", "timestamp-query")
"""Features to use where the adapter has them."""

MAX_DISPATCHES = 4096
"""Dispatches per submit: more would keep other programs from the GPU."""

STORAGE_USAGE = 0x80 | 0x08 | 0x04  # STORAGE | COPY_DST | COPY_SRC
READ_USAGE = 0x01 | 0x08  # MAP_READ | COPY_DST
UNIFORM_USAGE = 0x40 | 0x08  # UNIFORM | COPY_DST


def camel(name: str) -> str:
    """wgpu-py's `max-buffer-size` → `maxBufferSize`."""
    first, *rest = name.split("-")
    return first + "".join(word.capitalize() for word in rest)


def adapters() -> list[Any]:
    """All adapters that wgpu-py finds, the best first. Raises `DeviceError` if wgpu-py is not installed."""
    try:
        os.environ.setdefault("XDG_RUNTIME_DIR", "/tmp")  # EGL complains without one
        import wgpu  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise DeviceError(
            "the wgpu device needs the package wgpu", where="wgpu", remedy="Install it: pip install wgpu."
        ) from error
    order = {"DiscreteGPU": 0, "IntegratedGPU": 1, "VirtualGPU": 2, "CPU": 3}
    by_type = [a for a in wgpu.gpu.enumerate_adapters_sync() if a.info["backend_type"] != "OpenGL"]
    return sorted(by_type, key=lambda a: order.get(a.info["adapter_type"], 4))


def describe(adapter: Any) -> dict[str, Any]:
    """An adapter's description of itself."""
    info = adapter.info
    return {
        "vendor": info["vendor"],
        "architecture": info["architecture"],
        "name": info["device"],
        "description": info["description"],
        "type": info["adapter_type"],
        "backend": info["backend_type"],
        "vendor_id": info["vendor_id"],
        "device_id": info["device_id"],
    }


def described(adapter: Any) -> tuple[dict[str, Any], list[str], dict[str, int]]:
    """(the adapter's description, features, limits in WebGPU's spelling)."""
    return describe(adapter), sorted(adapter.features), {camel(k): v for k, v in adapter.limits.items()}


class WgpuReading:
    """See `Reading`; `result` waits."""

    promise = None

    def __init__(self, buffer: Any) -> None:
        self._buffer = buffer

    def result(self) -> memoryview:
        self._buffer.map_sync("READ")
        try:
            return memoryview(bytes(self._buffer.read_mapped(copy=False)))
        finally:
            self._buffer.unmap()
            self._buffer.destroy()


class WgpuHost:
    """See `Host`. Tests set `limits` below the adapter's."""

    def __init__(self, adapter: Any = None, *, limits: Mapping[str, int] | None = None) -> None:
        if adapter is None:
            available = adapters()
            if not available:
                raise DeviceError(
                    "no GPU adapter was found",
                    where="wgpu",
                    remedy="Install a Vulkan driver (Debian: apt-get install mesa-vulkan-drivers has one on the CPU).",
                )
            adapter = available[0]
        self._adapter, self._given = adapter, dict(limits or {})
        self._buffers: dict[int, Any] = {}
        self._kept: dict[int, Any] = {}
        self._plans: dict[int, dict[str, Any]] = {}
        self.generation = 0
        self._open()
        self._next = 1
        self._closed = False

    def _open(self) -> None:
        adapter = self._adapter
        wanted = [name for name in FEATURES if name in adapter.features]
        offered = {name: value for name, value in adapter.limits.items() if "storage" in name or "compute" in name}
        offered["max-buffer-size"] = adapter.limits["max-buffer-size"]
        self._device = adapter.request_device_sync(required_features=wanted, required_limits=offered)
        self.adapter: Mapping[str, Any] = describe(adapter)
        self.features: Sequence[str] = wanted
        self.limits: Mapping[str, int] = {camel(k): v for k, v in self._device.limits.items()} | self._given
        self.lost = ""
        self._queue = self._device.queue
        self._modules: dict[str, Any] = {}
        self._pipelines: dict[str, tuple[Any, Any]] = {}
        self.generation += 1

    def reopen(self) -> None:
        if self._closed:
            return
        adapter = next((a for a in adapters() if describe(a) == self.adapter), None)
        if adapter is None:
            raise DeviceLost(f"{self.lost}; its adapter is gone", where="wgpu", remedy="Choose another device.")
        self._adapter = adapter
        self._open()
        for name, old in self._buffers.items():
            self._buffers[name] = self._device.create_buffer(size=old.size, usage=STORAGE_USAGE)
        for name, data in self._kept.items():
            self._queue.write_buffer(self._buffers[name], 0, data)
        for name, plan in self._plans.items():
            self._plans[name] = self._make(plan["spec"], plan["words"])

    def lose(self, reason: str) -> None:
        self.lost = f"the GPU was lost ({reason}): on purpose"
        self._device.destroy()

    # --- memory -------------------------------------------------------------------------------------------------
    def _name(self) -> int:
        self._next += 1
        return self._next

    def _check_open(self) -> None:
        if self.lost:
            raise DeviceLost(self.lost, where="wgpu", remedy="Open the device again.")

    def create(self, nbytes: int) -> int:
        self._check_open()
        name = self._name()
        self._buffers[name] = self._device.create_buffer(size=nbytes, usage=STORAGE_USAGE)
        return name

    def destroy(self, buffer: int) -> None:
        gpu_buffer = self._buffers.pop(buffer, None)
        self._kept.pop(buffer, None)
        if gpu_buffer is None:
            raise DeviceError(f"{buffer} is not a buffer", where="wgpu")
        gpu_buffer.destroy()

    def used(self) -> tuple[int, int]:
        return sum(b.size for b in self._buffers.values()), len(self._buffers)

    def write(self, buffer: int, offset: int, data: Array, *, keep: bool = False) -> None:
        self._check_open()
        if data.nbytes:
            flat = np.ascontiguousarray(data).reshape(-1)
            if keep or buffer in self._kept:
                self._kept[buffer] = flat.copy()
            self._queue.write_buffer(self._buffers[buffer], offset, flat)

    def copy(self, source: int, target: int, nbytes: int) -> None:
        self._check_open()
        encoder = self._device.create_command_encoder()
        encoder.copy_buffer_to_buffer(self._buffers[source], 0, self._buffers[target], 0, nbytes)
        self._queue.submit([encoder.finish()])

    def read(self, pieces: Sequence[tuple[int, int, int]]) -> WgpuReading:
        self._check_open()
        total = sum(nbytes for _, _, nbytes in pieces)
        staging = self._device.create_buffer(size=max(total, 16), usage=READ_USAGE)
        encoder = self._device.create_command_encoder()
        at = 0
        for buffer, offset, nbytes in pieces:
            encoder.copy_buffer_to_buffer(self._buffers[buffer], offset, staging, at, nbytes)
            at += nbytes
        self._queue.submit([encoder.finish()])
        return WgpuReading(staging)

    # --- plans --------------------------------------------------------------------------------------------------
    def _pipeline(self, spec: Mapping[str, Any], sources: Mapping[str, str]) -> tuple[Any, Any]:
        key = json.dumps(spec)
        if key not in self._pipelines:
            name = spec["shader"]
            if name not in self._modules:
                self._modules[name] = self._device.create_shader_module(label=name, code=sources[name])
            kinds = {"uniform": "uniform", "write": "storage", "read": "read-only-storage", "row": "read-only-storage"}
            entries = [{"binding": b, "visibility": 4, "buffer": {"type": kinds[kind]}} for b, kind in spec["layout"]]
            layout = self._device.create_bind_group_layout(entries=entries)
            pipeline = self._device.create_compute_pipeline(
                label=f"{name}.{spec['entry']}",
                layout=self._device.create_pipeline_layout(bind_group_layouts=[layout]),
                compute={
                    "module": self._modules[name],
                    "entry_point": spec["entry"],
                    "constants": spec["constants"],
                },
            )
            self._pipelines[key] = pipeline, layout
        return self._pipelines[key]

    def plan(self, spec: str, uniforms: bytes) -> int:
        self._check_open()
        name = self._name()
        self._plans[name] = self._make(json.loads(spec), uniforms)
        return name

    def _make(self, plan: dict[str, Any], uniforms: bytes) -> dict[str, Any]:
        uniform = None
        if uniforms:
            uniform = self._device.create_buffer(size=len(uniforms), usage=UNIFORM_USAGE)
            self._queue.write_buffer(uniform, 0, uniforms)
        row = self._buffers[plan["row"]["buffer"]]
        ready: list[tuple[Any, Any, Any]] = []
        for d in plan["dispatches"]:
            described = plan["pipelines"][d["pipeline"]]
            pipeline, layout = self._pipeline(described, plan["sources"])
            entries: list[Any] = [
                {"binding": b, "resource": {"buffer": self._buffers[buffer], "offset": offset, "size": size}}
                for b, buffer, offset, size in d["buffers"]
            ]
            for binding, kind in described["layout"]:
                if kind == "row":
                    entries.append({"binding": binding, "resource": {"buffer": row, "offset": 0, "size": row.size}})
                elif kind == "uniform":
                    resource = {"buffer": uniform, "offset": d["uniform"], "size": 256}
                    entries.append({"binding": binding, "resource": resource})
            group = self._device.create_bind_group(layout=layout, entries=entries)
            ready.append((pipeline, group, d["groups"]))
        return {"ready": ready, "uniform": uniform, "spec": plan, "words": uniforms}

    def replay(self, plan: int, rows: Array, steps: int, indices: Sequence[int], keep: bool) -> None:
        self._check_open()
        entry = self._plans[plan]
        ready, spec = entry["ready"], entry["spec"]
        row, nbytes = self._buffers[spec["row"]["buffer"]], spec["row"]["nbytes"]
        table = None
        if spec["row"]["used"] and steps == 1:
            self._queue.write_buffer(row, 0, rows.reshape(-1))
        elif spec["row"]["used"]:
            table = self._device.create_buffer(size=rows.nbytes, usage=STORAGE_USAGE)
            self._queue.write_buffer(table, 0, rows.reshape(-1))
        chunk = max(1, MAX_DISPATCHES // max(len(ready), 1))
        for start in range(0, steps, chunk):
            encoder = self._device.create_command_encoder()
            for step in range(start, min(steps, start + chunk)):
                if table is not None:
                    encoder.copy_buffer_to_buffer(table, step * nbytes, row, 0, nbytes)
                for t in spec["tables"] if indices else ():
                    source, to = self._buffers[t["from"]], self._buffers[t["to"]]
                    encoder.copy_buffer_to_buffer(source, indices[step] % t["rows"] * t["nbytes"], to, 0, t["nbytes"])
                compute = encoder.begin_compute_pass()
                for pipeline, group, groups in ready:
                    compute.set_pipeline(pipeline)
                    compute.set_bind_group(0, group)
                    compute.dispatch_workgroups(*groups)
                compute.end()
                for k in spec["keeps"] if keep else ():
                    source, to = self._buffers[k["from"]], self._buffers[k["to"]]
                    encoder.copy_buffer_to_buffer(source, 0, to, step * k["nbytes"], k["nbytes"])
            self._queue.submit([encoder.finish()])
        if table is not None:
            table.destroy()

    def drop(self, plan: int) -> None:
        entry = self._plans.pop(plan, None)
        if entry is not None and entry["uniform"] is not None:
            entry["uniform"].destroy()

    def close(self) -> None:
        self._closed = True
        if not self.lost:
            self.lost = "the device was closed"
            self._device.destroy()
