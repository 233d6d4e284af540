"""Language models natively run on the fastest device without being asked; where one is missing, the hint works.

Reported by a newcomer (trouble table): README's `generate` gave one token a second on NumPy, the silent default; `simd`
was missing after `pip install` of a clone, and the hint named a package that does not exist.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import loom_py
from loom_py.cli import main
from loom_py.errors import DeviceError, InputError
from loom_py.runtime import choice
from loom_py.runtime.choice import Devices, open_fastest
from loom_py.runtime.simd import binaries
from loom_py.runtime.simd.host import open_host
from tests.browser import tiny_checkpoint
from tools import paths


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Devices]:
    """Devices as in a new process."""
    devices = Devices()
    for module in ("loom_py.runtime.choice", "loom_py.generation.placing", "loom_py.cli.device"):
        monkeypatch.setattr(f"{module}.devices", devices)
    yield devices
    if (device := devices.get("simd")) is not None:
        device.close()


def test_load_model_takes_the_compiled_kernels(untouched: Devices, tmp_path: Path) -> None:
    model = loom_py.load_model(tiny_checkpoint.write(tmp_path / "m"))
    assert model.device == "simd"
    assert untouched.preference == "numpy"  # networks stay where they were
    model.close()
    assert loom_py.load_model(tmp_path / "m", device=None).device == "numpy"
    choice.use_device("numpy")
    assert loom_py.load_model(tmp_path / "m").device == "numpy"  # as somebody has said
    assert loom_py.load_model(tmp_path / "m", device="simd").device == "simd"


# Found by attack: a name whose device was not open gave NumPy, and nothing was said.
@pytest.mark.parametrize("name", ["simd", "webgpu", "numpy"])
def test_a_device_that_is_named_is_opened(untouched: Devices, tmp_path: Path, name: str) -> None:
    directory = tiny_checkpoint.write(tmp_path / "m")
    model = loom_py.load_model(directory, device=name)
    assert model.device == name
    model.close()
    assert [device.name for device in untouched.open_devices()] == ([] if name == "numpy" else [name])
    assert (untouched.preference, untouched.chosen) == ("numpy", False)
    if (gpu := untouched.get("webgpu")) is not None:
        gpu.close()
        model = loom_py.load_model(directory, device=name)  # in a new one
        assert model.device == name
        model.close()
        again = untouched.get("webgpu")
        assert again is not None
        assert again is not gpu
        again.close()


@pytest.mark.parametrize(("name", "module"), [("simd", "simd.wasmtime_host"), ("webgpu", "webgpu.wgpu_host")])
def test_a_named_device_that_cannot_be_opened_is_an_error(
    untouched: Devices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    directory = tiny_checkpoint.write(tmp_path / "m")
    if name == "simd":
        monkeypatch.setitem(sys.modules, f"loom_py.runtime.{module}", None)
    else:
        monkeypatch.setitem(sys.modules, "wgpu", None)
    with pytest.raises(DeviceError, match=f"pip install {'wasmtime' if name == 'simd' else 'wgpu'}"):
        loom_py.load_model(directory, device=name)
    for unknown in ("cuda", "SIMD", ""):
        with pytest.raises(InputError, match=r"unknown device.*simd, webgpu"):
            loom_py.load_model(directory, device=unknown)
    assert untouched.open_devices() == []


def test_generate_takes_the_compiled_kernels(
    untouched: Devices, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tiny_checkpoint.write(tmp_path / "m")
    command = ["generate", "--model", str(directory), "--prompt", "abc", "--max-tokens", "2"]
    assert main(command) == 0
    assert "on simd" in capsys.readouterr().err
    assert main([*command, "--device", "numpy"]) == 0
    assert "note:" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("missing", "remedy"),
    [("wasmtime", "pip install wasmtime"), ("kernels", "python -m tools.simd")],
)
def test_what_is_missing_is_named_with_a_remedy(
    untouched: Devices,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    missing: str,
    remedy: str,
) -> None:
    if missing == "wasmtime":
        monkeypatch.setitem(sys.modules, "loom_py.runtime.simd.wasmtime_host", None)
    else:
        monkeypatch.setattr(binaries, "BINARIES", tmp_path)
    with pytest.raises(DeviceError, match=re.escape(remedy)):
        open_host()
    assert open_fastest() == "auto"
    directory = tiny_checkpoint.write(tmp_path / "m")
    assert loom_py.load_model(directory).device == "numpy"
    assert main(["generate", "--model", str(directory), "--prompt", "abc", "--max-tokens", "2"]) == 0
    notes = capsys.readouterr().err
    assert "note: on NumPy, which is slow: " in notes
    assert remedy in notes


def test_no_hint_names_a_package_that_is_on_no_index() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (paths.REPOSITORY / "loom_py").rglob("*.py")]
    texts += [path.read_text(encoding="utf-8") for path in (paths.REPOSITORY / "docs").glob("*.md")]
    assert not [text for text in texts if re.search(r"pip install ['\"]?loom[-_]py", text)]
