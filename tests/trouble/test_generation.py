"""Generations that share a model, how a text ends, and how its tokens are drawn: the trouble table, and siblings."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from loom_py.errors import InputError
from loom_py.generation.language_model import LanguageModel
from loom_py.generation.loading import load_model
from loom_py.generation.sampling import GenerationOptions
from loom_py.runtime.device import Device
from loom_py.runtime.simd import SimdDevice
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost

from ..formats.tiny_gguf import write_tiny_gguf

DEVICES = ("numpy", "simd", "webgpu")
OPTIONS = GenerationOptions(max_tokens=12, temperature=0.9, repetition_penalty=1.6, seed=5)
PROMPTS = ("hello world", "world hello hello", "hello world!")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("generation") / "m.gguf").path


@pytest.fixture(params=DEVICES)
def model(path: Path, request: pytest.FixtureRequest) -> Iterator[LanguageModel]:
    device: Device | None = None
    if request.param == "simd":
        device = SimdDevice()
    elif request.param == "webgpu":
        device = WebGPUDevice(WgpuHost())
    model = load_model(path, device=device)
    yield model
    model.close()
    if device is not None:
        device.close()


def ids(model: LanguageModel, prompt: str) -> list[int]:
    return [token.id for token in model.generate(prompt, OPTIONS)]


# Found by attack: two generations fed one cache. Siblings: interleaved, dropped, closed, failed in the middle.
def test_generations_do_not_mix(model: LanguageModel) -> None:
    alone = {prompt: ids(model, prompt) for prompt in PROMPTS}
    first = model.generate(PROMPTS[0], OPTIONS)
    begun = [next(first).id]
    assert ids(model, PROMPTS[1]) == alone[PROMPTS[1]]
    begun += [token.id for token in first]
    assert begun == alone[PROMPTS[0]]

    running = [model.generate(prompt, OPTIONS) for prompt in PROMPTS]
    texts: list[list[int]] = [[] for _ in PROMPTS]
    for _ in range(OPTIONS.max_tokens or 0):
        for text, generation in zip(texts, running, strict=True):
            text += [token.id for token in [next(generation, None)] if token is not None]
    assert texts == list(alone.values())

    for end in ("close", "drop", "throw"):
        other = model.generate(PROMPTS[2], OPTIONS)
        next(other)
        assert ids(model, PROMPTS[0]) == alone[PROMPTS[0]]
        if end == "close":
            other.close()
            assert list(other) == []
        elif end == "drop":
            del other
            gc.collect()
        else:
            with pytest.raises(InputError):
                next(model.continue_ids([1 << 20], OPTIONS))
            other.close()
        assert [ids(model, prompt) for prompt in PROMPTS] == list(alone.values()), end


def test_a_closed_model_says_so(model: LanguageModel) -> None:
    running = model.generate(PROMPTS[0], OPTIONS)
    next(running)
    model.close()
    with pytest.raises(InputError, match="the model was closed"):
        list(running)
    with pytest.raises(InputError, match="the model was closed"):
        list(model.generate(PROMPTS[0]))
