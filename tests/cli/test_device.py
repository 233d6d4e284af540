"""--device on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from loom_py.cli import device as cli_device
from loom_py.generation import placing
from loom_py.runtime import choice
from loom_py.runtime.choice import Devices
from loom_py.runtime.webgpu.encode import KERNELS
from loom_py.training import device_step
from tests.formats.tiny_gguf import TinyGGUF

from .conftest import EXAMPLES, Run


@pytest.fixture
def fresh_devices(monkeypatch: pytest.MonkeyPatch) -> Iterator[Devices]:
    """Nothing is open yet, and what a command opens is closed."""
    mine = Devices()
    for module in (choice, cli_device, placing, device_step):
        monkeypatch.setattr(module, "devices", mine)
    yield mine
    for name in ("simd", "webgpu"):
        if opened := mine.get(name):
            opened.close()


def test_a_device_can_be_chosen(run: Run, tiny: TinyGGUF, fresh_devices: Devices) -> None:
    options = ("--model", tiny.path, "--prompt", "hello", "--max-tokens", 6, "--json")
    plain = json.loads(run("generate", *options, "--device", "numpy")[1])
    assert (plain["device"], fresh_devices.get("simd")) == ("numpy", None)
    record = json.loads(run("generate", *options, "--device", "simd", "--threads", 2, "--activations", "f32")[1])
    assert (record["device"], record["activations"]) == ("simd", "f32")
    assert record["ids"] == plain["ids"]
    simd = fresh_devices.get("simd")
    assert simd is not None
    assert simd.info()["threads"] == 2
    report = json.loads(run("train", EXAMPLES / "grid_scatter.json", "--device", "simd", "--json")[1])
    assert (report["device"], report["evaluation"]["score"]) == ("simd", 100)
    assert fresh_devices.preference == "numpy", "the preference was the command's"


def test_a_device_that_cannot_be_opened_is_reported(
    run: Run, fresh_devices: Devices, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = EXAMPLES / "grid_scatter.json"
    status, _, err = run("train", config, "--device", "simd", "--threads", 0)
    assert status == 1
    assert "threads: 0 must be at least 1 and at most 16" in err
    assert fresh_devices.preference == "numpy"
    monkeypatch.delitem(KERNELS, "lstm_sequence")
    status, _, err = run("train", config, "--device", "webgpu", "--epochs", 2)
    assert status == 0
    assert "on numpy: webgpu: the kernel lstm_sequence is not there" in err
