"""The original's GPU report, with the fields and rules of the original."""

from __future__ import annotations

import json
import re

import pytest

from loom_py.compat import detector
from loom_py.errors import DeviceError
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost

LIMITS = dict.fromkeys(detector.LIMITS, 1 << 20)


def test_report_of_this_machine() -> None:
    reports = detector.detect_all()
    assert reports, "no adapter: install a Vulkan driver (Debian: apt-get install mesa-vulkan-drivers)"
    first = reports[0]
    assert re.fullmatch(r"\w+/0x[0-9a-f]{4,}/0x[0-9a-f]{4,}/.+", first["key"])
    assert json.loads(detector.detect_json()) | {"when_iso": ""} == first | {"when_iso": ""}
    assert len(json.loads(detector.detect_all_json())) == len(reports)
    assert len(first["limits"]) == 8
    assert first["recommended"]["workgroup_x"] == 256
    device = WebGPUDevice(WgpuHost(detector.select_adapter_by_key(first["key"])))
    assert device.host.adapter["name"] == first["name"]
    device.close()


@pytest.mark.parametrize(("most", "expected"), [(1024, 256), (255, 128), (64, 64), (1, 1)])
def test_recommended_sizes(monkeypatch: pytest.MonkeyPatch, most: int, expected: int) -> None:
    monkeypatch.setenv("LOOM_BUDGET_MB", "32")
    limits = LIMITS | {"maxComputeWorkgroupSizeX": most}
    adapter = {"backend": "Vulkan", "name": "X", "vendor_id": 4318, "type": "DiscreteGPU"}
    record = detector.report(adapter, ["b", "a"], limits)
    assert record["recommended"] == {
        "workgroup_x": expected, "workgroup_y": 1, "workgroup_z": 1, "tile_x": 8 * expected, "tile_y": 8,
        "budget_bytes": 32 << 20,
    }  # fmt: skip
    assert (record["key"], record["features"]) == ("vulkan/0x10de/0x0000/X", ["a", "b"])
    assert record["env"]["LOOM_BUDGET_MB"] == "32"


def test_preference_and_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ["CPU", "IntegratedGPU", "DiscreteGPU"]
    monkeypatch.setattr(detector, "_adapters", lambda: [({"type": kind}, [], LIMITS) for kind in kinds])
    assert [r["adapter_type"] for r in detector.detect_all()] == kinds[1:]
    monkeypatch.setenv("LOOM_GPU", "discrete")
    assert [r["adapter_type"] for r in detector.detect_all()] == ["DiscreteGPU", "IntegratedGPU"]
    monkeypatch.setenv("LOOM_INCLUDE_FALLBACK", "1")
    assert [r["adapter_type"] for r in detector.detect_all()] == ["DiscreteGPU", "CPU", "IntegratedGPU"]
    monkeypatch.setattr(detector, "_adapters", list)
    assert detector.detect() is None
    assert detector.detect_all_json() == "[]"


def test_an_unknown_key_names_the_known_ones() -> None:
    with pytest.raises(DeviceError, match=r"no adapter has the key 'x'.*Known: vulkan"):
        detector.select_adapter_by_key("x")
