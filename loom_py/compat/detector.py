"""The original's detector: lists GPUs with their limits and recommended workgroup sizes.

Settings (environment): `LOOM_GPU` prefers a type (`discrete`, `integrated`, `virtual`, `cpu`; `scan` for none),
`LOOM_BUDGET_MB` is the memory budget (128), `LOOM_INCLUDE_FALLBACK=1` lists adapters emulated by the CPU.
In a page the browser offers exactly one adapter.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ..errors import DeviceError
from ..runtime.choice import devices

LIMITS = (
    "maxBufferSize",
    "maxComputeInvocationsPerWorkgroup",
    "maxComputeWorkgroupSizeX",
    "maxComputeWorkgroupSizeY",
    "maxComputeWorkgroupSizeZ",
    "maxComputeWorkgroupStorageSize",
    "maxComputeWorkgroupsPerDimension",
    "maxStorageBufferBindingSize",
)
ENVIRONMENT = ("LOOM_GPU", "LOOM_BUDGET_MB", "LOOM_INCLUDE_FALLBACK")
TILE_FACTOR = 8
BUDGET_MB = 128


def detect_all() -> list[dict[str, Any]]:
    """A report of every adapter, the preferred one first. Raises `DeviceError` if GPUs cannot be listed at all."""
    reports = [report(*facts) for facts in _adapters()]
    if os.environ.get("LOOM_INCLUDE_FALLBACK") != "1":
        real = [r for r in reports if "cpu" not in r["adapter_type"].lower()]
        reports = real or reports  # the CPU's adapter is better than none
    wanted = os.environ.get("LOOM_GPU", "scan").lower()
    return sorted(reports, key=lambda r: wanted not in r["adapter_type"].lower())


def detect() -> dict[str, Any] | None:
    """Report of the preferred adapter; None without one."""
    return next(iter(detect_all()), None)


def detect_json() -> str:
    """`detect` as JSON."""
    return json.dumps(detect())


def detect_all_json() -> str:
    """`detect_all` as JSON."""
    return json.dumps(detect_all())


def select_adapter_by_key(key: str) -> Any:
    """The adapter of a report's `key`, for `WgpuHost(adapter)`. Raises `DeviceError` if there is none."""
    from ..runtime.webgpu.wgpu_host import adapters, described

    for adapter in adapters():
        if report(*described(adapter))["key"] == key:
            return adapter
    keys = ", ".join(r["key"] for r in detect_all()) or "none"
    raise DeviceError(f"no adapter has the key {key!r}", where="detector", remedy=f"Known: {keys}.")


def report(adapter: Mapping[str, Any], features: Sequence[str], limits: Mapping[str, int]) -> dict[str, Any]:
    """The original's fields for one adapter.

    `recommended`: the largest power of two up to 256 that fits a workgroup, tiles of eight workgroups, and a budget of
    memory in bytes.
    """
    backend = str(adapter.get("backend", "")).lower()
    name = str(adapter.get("name") or adapter.get("architecture") or "")
    vendor, device = (f"0x{int(adapter.get(part, 0)):04x}" for part in ("vendor_id", "device_id"))
    most = min(limits["maxComputeInvocationsPerWorkgroup"], limits["maxComputeWorkgroupSizeX"])
    x = next(size for size in (256, 128, 64, 32, 16, 8, 4, 2, 1) if size <= most)
    budget = int(os.environ.get("LOOM_BUDGET_MB") or BUDGET_MB) << 20
    return {
        "key": f"{backend}/{vendor}/{device}/{name}",
        "when_iso": datetime.now(UTC).isoformat(timespec="seconds"),
        "runtime": f"{platform.python_implementation()} {platform.python_version()} ({sys.platform})",
        "backend": backend,
        "adapter_type": str(adapter.get("type", "")),
        "vendor_id_hex": vendor,
        "device_id_hex": device,
        "name": name,
        "driver": str(adapter.get("description", "")),
        "recommended": {
            "workgroup_x": x, "workgroup_y": 1, "workgroup_z": 1, "tile_x": TILE_FACTOR * x, "tile_y": TILE_FACTOR,
            "budget_bytes": budget,
        },
        "limits": {name: int(limits[name]) for name in LIMITS},
        "features": sorted(features),
        "env": {name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
    }  # fmt: skip


def _adapters() -> list[tuple[Mapping[str, Any], Sequence[str], Mapping[str, int]]]:
    if sys.platform == "emscripten":
        from ..runtime.webgpu import WebGPUDevice

        device = devices.get("webgpu")
        if not isinstance(device, WebGPUDevice):
            return []
        return [(device.host.adapter, device.host.features, device.host.limits)]
    from ..runtime.webgpu.wgpu_host import adapters, described

    return [described(adapter) for adapter in adapters()]
