"""Several tokens without Python in between: those of one at a time, and a cache that forgets what was too much."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from loom_py.bridge import models
from loom_py.bridge.objects import keep, release, take
from loom_py.bridge.tasks import Task
from loom_py.generation import on_device
from loom_py.generation.cache import DeviceCache
from loom_py.generation.generate import GeneratedToken, generate
from loom_py.generation.language_model import LanguageModel, NoText
from loom_py.generation.loading import load_model
from loom_py.generation.on_device import BLOCK, OnDevice
from loom_py.generation.on_numpy import OnNumpy
from loom_py.generation.sampling import GenerationOptions
from loom_py.models.registry import read_decoder
from loom_py.runtime.device import Device
from loom_py.runtime.simd import SimdDevice
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost

from ..formats.conftest import tiny  # noqa: F401 (a fixture)
from ..formats.tiny_gguf import TinyGGUF
from ..models.families import SHAPE, random_weights, uploaded

DEVICES = {"simd": lambda: SimdDevice(), "webgpu": lambda: WebGPUDevice(WgpuHost())}
OPTIONS = GenerationOptions(max_tokens=21, temperature=1.3, top_k=20, repetition_penalty=1.2, seed=5)


@pytest.fixture(scope="module", params=DEVICES)
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    instance: Any = DEVICES[request.param]()
    yield instance
    instance.close()


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as may be, however slow this machine is."""
    monkeypatch.setattr(on_device, "BLOCK_SECONDS", 1e9)


@pytest.mark.parametrize("block", [1, 3, BLOCK])
def test_tokens_are_those_of_one_at_a_time(
    device: Device,
    tiny: TinyGGUF,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    block: int,
) -> None:
    monkeypatch.setattr(on_device, "BLOCK", block)
    model, plain = load_model(tiny.path, device=device, activations="f32"), load_model(tiny.path)
    model.eos_ids = plain.eos_ids = frozenset()
    tokens = list(model.generate("hello world", OPTIONS))
    assert [t.id for t in tokens] == [t.id for t in plain.generate("hello world", OPTIONS)]
    assert max(t.more for t in tokens) == block - 1
    assert [t.more for t in tokens[1 : 1 + block]] == list(reversed(range(block)))
    assert tokens[-1].more == 0
    model.close()


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "gpt2", "n_embd": 48, "n_layer": 2, "n_head": 4, "n_positions": 64},
        {"model_type": "gemma3_text", "sliding_window": 9},
    ],
)
def test_positions_and_windows(device: Device, config: dict[str, Any]) -> None:
    decoder = read_decoder(SHAPE | {"head_dim": 16, "sliding_window_pattern": 3} | config)
    weights = random_weights(decoder)
    options = GenerationOptions(max_tokens=60).filled(GenerationOptions())
    texts: list[list[int]] = []
    runners: list[Any] = [OnNumpy(decoder, weights), OnDevice(decoder, uploaded(weights, device), device, "f32")]
    for runner in runners:
        cache = runner.new_cache()
        events = generate(runner, [3, 4, 5], options, cache=cache, decoder=NoText(), eos_ids=frozenset())
        texts.append([event.id for event in events if isinstance(event, GeneratedToken)])
        cache.close()
    assert texts[0] == texts[1]
    assert len(texts[0]) == 60


def test_what_is_not_taken_is_forgotten(device: Device, tiny: TinyGGUF) -> None:  # noqa: F811
    model, plain = load_model(tiny.path, device=device, activations="f32"), load_model(tiny.path)
    model.eos_ids = plain.eos_ids = frozenset()
    whole = [t.id for t in plain.generate("hello world", OPTIONS)]
    for taken in range(1, 12):
        text = model.generate("hello world", OPTIONS)
        assert [next(text).id for _ in range(taken)] == whole[:taken]
        text.close()
        assert model._idle is not None
        cache, ids = model._idle
        assert ids == [*plain.prompt_ids("hello world"), *whole][: len(ids)]
        assert cache.ids[: len(ids)] == ids
        prompt = [*plain.prompt_ids("hello world"), *whole[: taken // 2], 7]
        again = [event.id for event in model.continue_ids(prompt, OPTIONS) if isinstance(event, GeneratedToken)]
        assert again == [e.id for e in plain.continue_ids(prompt, OPTIONS) if isinstance(e, GeneratedToken)]
    model.close()


def test_an_end_within_a_block(device: Device, tiny: TinyGGUF) -> None:  # noqa: F811
    model, plain = load_model(tiny.path, device=device, activations="f32"), load_model(tiny.path)
    plain.eos_ids = frozenset()
    whole = [t.id for t in plain.generate("hello world", OPTIONS)]
    for end in range(1, 11):
        model.eos_ids = frozenset([whole[end]])
        tokens = list(model.generate("hello world", OPTIONS))
        assert [t.id for t in tokens] == whole[: whole.index(whole[end]) + 1]
        assert (tokens[-1].finish_reason, tokens[-1].more) == ("stop", 0)
    model.close()


def test_nothing_is_drawn_ahead_where_it_could_not_be_forgotten(tiny: TinyGGUF) -> None:  # noqa: F811
    device = SimdDevice()
    lfm2 = read_decoder(SHAPE | {"model_type": "lfm2", "layer_types": ["conv", "full_attention", "conv"]})
    cache = DeviceCache(lfm2, device)
    assert cache.ahead(8) == 1
    llama = DeviceCache(read_decoder(SHAPE | {"model_type": "llama"}), device, limit=10)
    assert [llama.ahead(most) for most in (1, 8, 50)] == [1, 8, 10]
    llama.length = 9
    assert llama.ahead(8) == 1
    cache.close()
    llama.close()
    device.close()


def test_a_block_ends_where_longer_sequences_have_another_decoder() -> None:
    scaling = {"type": "longrope", "short_factor": [1.0] * 6, "long_factor": [2.0] * 6}
    rotary = {"rope_scaling": scaling, "original_max_position_embeddings": 32}
    decoder = read_decoder(SHAPE | {"model_type": "phi3"} | rotary)
    assert decoder.facts.longer is not None
    device = SimdDevice()
    cache = DeviceCache(decoder, device)
    cache.length = 30
    assert cache.ahead(8) == 2
    cache.length = 32
    assert cache.ahead(8) == 8
    cache.close()
    device.close()


def test_a_slice_hands_over_all_that_is_at_hand(tiny: TinyGGUF) -> None:  # noqa: F811
    device = SimdDevice()
    model: LanguageModel = load_model(tiny.path, device=device)
    model.eos_ids = frozenset()
    handle = keep(model)
    task = take(models.complete_start(handle, ["hello"], json.dumps({"maxTokens": 20, "temperature": 0})), Task)
    slices = []
    while not task.done:
        slices.append(sum("id" in event for event in task.advance(0)["events"]))
    assert [count for count in slices if count] == [1, BLOCK, BLOCK, 3]
    release(handle)
    model.close()
    device.close()
