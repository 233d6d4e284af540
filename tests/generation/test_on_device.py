"""A small model on every device: the tokens of NumPy, memory that does not grow, and loads that end early."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loom_py.errors import DeviceError, ModelError
from loom_py.formats.gguf import GGUFFile
from loom_py.formats.quant import requantise, widen
from loom_py.formats.source import FileSource
from loom_py.generation.cache import DeviceCache
from loom_py.generation.language_model import LanguageModel
from loom_py.generation.loading import load_model, load_steps
from loom_py.generation.sampling import GenerationOptions
from loom_py.runtime.device import Device

from ..formats.conftest import tiny  # noqa: F401 (a fixture)
from ..formats.tiny_gguf import TinyGGUF, write_tiny_gguf
from ..runtime.devices import DEVICES

OPTIONS = [
    GenerationOptions(max_tokens=20),
    GenerationOptions(max_tokens=20, temperature=0.8, seed=4),
    GenerationOptions(
        max_tokens=20, temperature=1.5, top_k=9, top_p=0.9, min_p=0.02, repetition_penalty=1.3, seed=1 << 40
    ),
    GenerationOptions(max_tokens=20, repetition_penalty=1.5),
]


@pytest.fixture(scope="module", params=DEVICES)
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    instance = DEVICES[request.param]()
    yield instance
    instance.close()


def ids(model: LanguageModel, prompt: str, options: GenerationOptions) -> list[int]:
    return [t.id for t in model.generate(prompt, options)]


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q4_1", "F16", "BF16", "Q5_1"])
def test_tokens_are_those_of_numpy(device: Device, tmp_path: Path, kind: str) -> None:
    path = write_tiny_gguf(tmp_path / "m.gguf", kind=kind, tied=kind == "Q4_1").path
    plain, on_device = load_model(path), load_model(path, device=device, activations="f32")
    assert (on_device.device, on_device.activations) == ("simd", "f32")
    prompt = "hello world " * 3
    text = np.array(plain.tokenizer.encode(prompt))
    reference = plain.model.forward(text, plain.model.new_cache(), every=True)
    logits = on_device.model.forward(text, on_device.model.new_cache(), every=True)
    limit = 5e-2 if kind == "Q5_1" else 1e-4  # requantised to Q8_0, in a random net that makes much of it
    assert np.linalg.norm(logits - reference) < limit * np.linalg.norm(reference)
    if kind != "Q5_1":
        for options in OPTIONS:
            assert ids(on_device, prompt, options) == ids(plain, prompt, options)
    quick = load_model(path, device=device)
    finer = quick.model.forward(text, quick.model.new_cache(), every=True)
    assert np.linalg.norm(finer - logits) < 1e-2 * np.linalg.norm(reference)
    for model in (on_device, quick):
        model.close()


def test_prompts_share_the_cache_and_stopping_leaves_it_whole(device: Device, tiny: TinyGGUF) -> None:  # noqa: F811
    model, plain = load_model(tiny.path, device=device, activations="f32"), load_model(tiny.path)
    for options in OPTIONS:
        for prompt in ("hello world", "hello world hello", "hello", "hello world hello world", "hello world"):
            assert ids(model, prompt, options) == ids(plain, prompt, options)
        stopped = model.generate("hello world hello world", options)
        next(stopped)
        next(stopped)
        stopped.close()  # type: ignore[attr-defined]
    model.close()


def test_the_cache_grows_to_the_context(device: Device, tiny: TinyGGUF, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(DeviceCache, "smallest", 8)
    model, plain = load_model(tiny.path, device=device, activations="f32"), load_model(tiny.path)
    model.eos_ids = plain.eos_ids = frozenset()
    many = GenerationOptions(max_tokens=500)
    assert ids(model, "hello", many) == ids(plain, "hello", many)
    assert model._idle is not None
    assert model._idle[0].capacity == 128
    model.close()


def test_a_cache_that_cannot_grow_stays_as_it_was(tiny: TinyGGUF, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    device: Any = DEVICES["simd-relaxed"]()
    monkeypatch.setattr(DeviceCache, "smallest", 8)
    model, plain = load_model(tiny.path, device=device, activations="f32"), load_model(tiny.path)
    options = GenerationOptions(max_tokens=2)
    assert ids(model, "hello", options) == ids(plain, "hello", options)
    before = device.memory.used
    empty, calls = device.empty, []

    def full(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:
            raise DeviceError("full")
        return empty(*arguments)

    monkeypatch.setattr(device, "empty", full)
    with pytest.raises(DeviceError, match="full"):
        ids(model, "hello world " * 4, options)
    assert device.memory.used == before
    monkeypatch.setattr(device, "empty", empty)
    assert ids(model, "hello world", options) == ids(plain, "hello world", options)
    model.close()
    device.close()


def test_memory_is_constant_and_comes_back(tiny: TinyGGUF) -> None:  # noqa: F811
    device: Any = DEVICES["simd-relaxed-2"]()
    model = load_model(tiny.path, device=device)
    options = GenerationOptions(max_tokens=100, temperature=0.7)
    for _ in range(2):  # one for the whole prompt, one for repeating its last token
        ids(model, "hello world", options)
    used, size, tokens = device.memory.used, device.host.size(), 0
    while tokens < 1000:
        tokens += len(ids(model, "hello world", options))
        assert (device.memory.used, device.host.size()) == (used, size)
    other = load_model(tiny.path, device=device)
    ids(other, "hello", options)
    other.close()
    assert device.memory.used == used
    del model  # close was not called
    assert device.memory.used == 0
    device.close()


def test_an_abandoned_load_leaves_nothing(tiny: TinyGGUF, tmp_path: Path) -> None:  # noqa: F811
    device: Any = DEVICES["simd-relaxed"]()
    steps = load_steps({"m.gguf": FileSource(tiny.path)}, device=device)
    for _ in range(5):
        next(steps)
    assert device.memory.used > 0
    steps.close()
    assert device.memory.used == 0
    data = bytearray(tiny.path.read_bytes())
    at = GGUFFile(FileSource(tiny.path)).info("output.weight").offset
    data[at : at + 2] = np.float16(np.inf).tobytes()  # a block's scale
    (tmp_path / "bad.gguf").write_bytes(data)
    with pytest.raises(ModelError, match="holds NaN or infinity"):
        load_model(tmp_path / "bad.gguf", device=device)
    assert device.memory.used == 0
    device.close()


@pytest.mark.parametrize("kind", ["Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"])
def test_requantised_blocks(kind: str) -> None:
    """Within half a step of the block's largest, as the docstring says."""
    from loom_py.formats.dtypes import STORAGE

    rng = np.random.default_rng(5)
    storage = STORAGE[kind]
    raw = rng.integers(0, 256, (6, 2 * storage.size), dtype=np.uint8)
    blocks = raw.reshape(-1, storage.size)
    halves = {
        "Q5_0": [0],
        "Q5_1": [0, 2],
        "Q2_K": [80, 82],
        "Q3_K": [108],
        "Q4_K": [0, 2],
        "Q5_K": [0, 2],
        "Q6_K": [208],
    }
    for at in halves[kind]:
        blocks[:, at : at + 2] = (rng.normal(size=(len(blocks), 1)) * 0.01).astype(np.float16).view(np.uint8)
    before = np.empty((len(blocks), storage.block), np.float32)
    widen(blocks, kind, before)
    after = np.empty((before.size // 32, 32), np.float32)
    widen(requantise(raw, kind).reshape(-1, 34), "Q8_0", after)
    before = before.reshape(-1, 32)
    most = np.abs(before).max(axis=1, keepdims=True)
    assert (np.abs(after - before) <= most / 254 + np.abs(before) / 1024 + 1e-7).all()
    assert np.linalg.norm(after - before) < 5e-3 * np.linalg.norm(before)
