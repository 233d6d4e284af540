"""What is said of a model before it is loaded: facts, memory, whether it fits, what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from loom_py.errors import ModelError
from loom_py.formats.gguf import GGUFFile
from loom_py.formats.source import FileSource, Source
from loom_py.generation import inspecting
from loom_py.generation.inspecting import ModelReport, inspect_model
from loom_py.generation.language_model import LanguageModel
from loom_py.generation.loading import load_model, model_files
from loom_py.generation.on_device import OnDevice
from loom_py.runtime.choice import Devices
from loom_py.runtime.simd import SimdDevice

from ..browser import tiny_checkpoint
from ..formats.tiny_gguf import write_tiny_gguf
from ..models.families import CASES, FOLDER
from ..models.test_eight_bits import FP8
from ..models.test_eight_bits import write as write_eight_bits


@pytest.fixture
def simd(monkeypatch: pytest.MonkeyPatch) -> SimdDevice:
    """The device that a model gets."""
    device = SimdDevice()
    devices = Devices()
    devices.add(device)
    devices.prefer("auto")
    monkeypatch.setattr(inspecting, "devices", devices)
    return device


def report_on(path: Path, **options: Any) -> ModelReport:
    return inspect_model(model_files(path), path.name, **options)


def resident(model: LanguageModel, tokens: int) -> int:
    """Bytes on the device with a cache for so many tokens."""
    assert isinstance(model.model, OnDevice)
    cache = model.model.new_cache()
    cache.smallest = tokens  # type: ignore[misc]
    cache.reserve(tokens)
    used = model.model.device.info()["used"]
    cache.close()
    assert isinstance(used, int)
    return used


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_memory_is_what_loading_takes(simd: SimdDevice, tmp_path: Path, kind: str) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", kind=kind).path
    report = report_on(path)
    assert report.memory is not None
    assert (report.device, report.fits, report.memory.tokens) == ("simd", True, 128)
    model = load_model(path, device=simd)
    tensors = len(list(model.model.decoder.weights())) + 4
    expected = report.memory.weights + report.memory.cache
    assert 0 <= resident(model, report.memory.tokens) - expected <= 64 * tensors + 0.02 * expected
    model.close()


def test_memory_of_weights_of_eight_bits(simd: SimdDevice, tmp_path: Path) -> None:
    """A device keeps them as float16."""
    write_eight_bits(tmp_path, "F8_E4M3", "block", "_scale_inv", FP8)
    report = report_on(tmp_path)
    assert report.memory is not None
    model = load_model(tmp_path, device=simd)
    tensors = len(list(model.model.decoder.weights())) + 4 * model.model.decoder.facts.num_hidden_layers
    expected = report.memory.weights + report.memory.cache
    assert 0 <= resident(model, report.memory.tokens) - expected <= 64 * tensors
    model.close()


@pytest.mark.parametrize("case", CASES)
def test_memory_and_facts_of_every_family(simd: SimdDevice, case: str) -> None:
    report = report_on(FOLDER / case)
    config = json.loads((FOLDER / case / "config.json").read_text())
    assert report.family == config["model_type"]
    assert report.memory is not None
    assert report.facts is not None
    assert report.facts.experts == config.get("num_local_experts", 0)
    model = load_model(FOLDER / case, device=simd)
    expected = report.memory.weights + report.memory.cache
    tensors = len(list(model.model.decoder.weights())) + 4 * config.get("num_hidden_layers", config.get("n_layer", 0))
    assert 0 <= resident(model, report.memory.tokens) - expected <= 64 * tensors + 0.02 * expected
    model.close()


def test_a_good_model(simd: SimdDevice, tmp_path: Path) -> None:
    path = tiny_checkpoint.write(tmp_path / "tiny")
    report = report_on(path)
    weights = load_file(path / "model.safetensors")
    assert report.problem is None
    assert (report.format, report.tokenizer, report.chat) == ("safetensors", True, True)
    assert report.parameters == sum(w.size for w in weights.values())
    assert report.nbytes == sum(w.nbytes for w in weights.values())
    assert report.storages == {"F32": len(weights)}
    shown = report.to_json()
    assert (shown["problem"], shown["lack"], shown["fits"]) == ("", "", True)
    assert json.loads(json.dumps(shown))["memory"]["total"] == shown["memory"]["weights"] + shown["memory"]["cache"]


def test_one_that_is_too_large(simd: SimdDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tiny_checkpoint.write(tmp_path / "tiny")
    memory = report_on(path).memory
    assert memory is not None
    need = memory.weights + memory.cache
    assert report_on(path, machine=need).fits
    report = report_on(path, machine=need - 1)
    assert (report.fits, report.lack) == (False, f"this machine has {need - 1:,} bytes of memory")
    monkeypatch.setattr(type(simd.host), "limit", simd.host.base + need)
    assert report_on(path).fits
    monkeypatch.setattr(type(simd.host), "limit", simd.host.base + need - 1)
    report = report_on(path)
    assert not report.fits
    assert report.lack == f"the memory of WebAssembly has {need - 1:,} bytes left"
    assert report.problem is None
    assert report.to_json()["memory"]["total"] == need


def test_numpy_in_a_page_can_address_what_webassembly_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspecting, "devices", Devices())
    path = write_tiny_gguf(tmp_path / "tiny.gguf", kind="Q4_0").path
    report = report_on(path)
    assert report.memory is not None
    assert (report.device, report.memory.weights) == ("numpy", 4 * report.parameters)
    monkeypatch.setattr("sys.platform", "emscripten")
    assert report_on(path).fits
    monkeypatch.setattr(inspecting, "WASM_BYTES", 1000)
    assert report_on(path).lack == "WebAssembly can address 1,000 bytes"


def without_tensor(path: Path) -> None:
    weights = load_file(path / "model.safetensors")
    weights.pop("model.norm.weight")
    save_file(weights, path / "model.safetensors")


def with_config(**fields: object) -> Any:
    def change(path: Path) -> None:
        config = json.loads((path / "config.json").read_text())
        (path / "config.json").write_text(json.dumps(config | fields))

    return change


BROKEN = {
    "family": (with_config(model_type="mamba"), "the family 'mamba' is not supported", "mamba"),
    "tensor": (without_tensor, "model.norm.weight is missing", "llama"),
    "shape": (with_config(intermediate_size=8), "has shape", "llama"),
    "config": (lambda path: (path / "config.json").write_text("["), "config.json", ""),
    "weights": (lambda path: (path / "model.safetensors").write_bytes(b"<html>"), "model.safetensors", "llama"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_what_is_missing_or_unsupported(simd: SimdDevice, tmp_path: Path, fault: str) -> None:
    """The error that loading gives, beside what can be said all the same."""
    break_it, words, family = BROKEN[fault]
    path = tiny_checkpoint.write(tmp_path / "tiny")
    break_it(path)
    report = report_on(path)
    assert words in str(report.problem)
    with pytest.raises(type(report.problem)) as raised:  # type: ignore[arg-type]
        load_model(path)
    assert str(raised.value) == str(report.problem) == report.to_json()["problem"]
    assert (report.fits, report.memory, report.family) == (False, None, family)
    if fault in ("family", "tensor", "shape"):
        assert report.parameters > 0
        assert report.storages.keys() == {"F32"}


def test_no_tokenizer_and_no_model(simd: SimdDevice, tmp_path: Path) -> None:
    path = tiny_checkpoint.write(tmp_path / "tiny")
    (path / "tokenizer.json").unlink()
    report = report_on(path)
    assert isinstance(report.problem, ModelError)
    assert report.problem.message == "tokenizer.json is missing"
    assert (report.fits, report.tokenizer) == (True, False)
    notes: dict[str, Source] = {"notes.json": FileSource(path / "config.json")}
    report = inspect_model(notes, "files")
    assert (report.format, report.parameters, report.fits) == ("", 0, False)
    assert "holds no model files" in str(report.problem)


def test_weights_are_not_read(simd: SimdDevice, tmp_path: Path) -> None:
    """A file of which there is only the header."""
    path = write_tiny_gguf(tmp_path / "tiny.gguf").path
    report = report_on(path)
    whole = path.read_bytes()
    file = GGUFFile(FileSource(path))
    header = min(file.info(name).offset for name in file.names())
    with path.open("wb") as cut:
        cut.write(whole[:header])
        cut.truncate(len(whole))
    assert report_on(path) == report
