"""Layers with a window keep a window: the same logits as a cache of everything, in memory that stops growing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from loom_py.generation import on_device
from loom_py.generation.cache import NumpyCache
from loom_py.generation.generate import GeneratedToken, generate
from loom_py.generation.language_model import NoText
from loom_py.generation.on_device import OnDevice
from loom_py.generation.on_numpy import OnNumpy
from loom_py.generation.runner import Runner
from loom_py.generation.sampling import GenerationOptions
from loom_py.models.protocols import Chunk, Segment
from loom_py.models.registry import read_decoder
from loom_py.models.windows import STEP, window_rows
from loom_py.runtime import numpy_ops
from loom_py.runtime.simd import SimdDevice
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost

from ..models.families import SHAPE, random_weights, uploaded

WINDOW, CONTEXT = 20, 1500
CONFIG: dict[str, Any] = SHAPE | {
    "model_type": "gemma3_text", "head_dim": 16, "sliding_window": WINDOW, "sliding_window_pattern": 3,
    "max_position_embeddings": CONTEXT,
}  # fmt: skip
DEVICES = {"numpy": None, "simd": SimdDevice, "webgpu": lambda: WebGPUDevice(WgpuHost())}
IDS = np.random.default_rng(0).integers(3, 90, CONTEXT)


@pytest.fixture(params=DEVICES)
def model(request: pytest.FixtureRequest) -> Iterator[Runner[Any]]:
    decoder = read_decoder(CONFIG)
    weights = random_weights(decoder)
    make = DEVICES[request.param]
    if make is None:
        yield OnNumpy(decoder, weights)
        return
    device = make()
    yield OnDevice(decoder, uploaded(weights, device), device, "f32")
    device.close()


@pytest.fixture(scope="module")
def reference() -> Any:
    """Logits of every position, computed at once: attention masks the window and nothing has been left behind."""
    everything = read_decoder(CONFIG)
    assert {kept.window for layer in everything.new_cache() for kept in layer.values()} == {0, WINDOW}
    weights = random_weights(everything)
    shape = (CONTEXT, SHAPE["num_key_value_heads"], 16)
    cache = [{"keys": np.zeros(shape, np.float32), "values": np.zeros(shape, np.float32)} for _ in range(3)]
    chunk = Chunk(IDS, (Segment(CONTEXT, 0, cache),), True, lambda: np.arange(CONTEXT))
    return everything.logits(numpy_ops, weights, everything.trace(numpy_ops, weights, chunk))


def error(a: Any, b: Any) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def test_long_sequences(model: Runner[Any], reference: Any) -> None:
    cache = model.new_cache()
    logits = model.forward(IDS, cache, every=True)
    assert error(logits, reference) < 2e-4
    assert cache.length == cache.capacity == CONTEXT
    assert cache.bases == {WINDOW: (CONTEXT - window_rows(WINDOW) + STEP - 1) // STEP * STEP}
    tensors = cache.arrays if isinstance(cache, NumpyCache) else cache.tensors
    assert {name: tensor.shape[0] for name, tensor in tensors.items()} == {
        f"{what}.{layer}": CONTEXT if layer == 2 else window_rows(WINDOW)
        for what in ("keys", "values")
        for layer in range(3)
    }


def test_parts_of_any_length(model: Runner[Any], reference: Any) -> None:
    cache, rng, done = model.new_cache(), np.random.default_rng(1), 0
    while done < 800:
        count = min(int(rng.integers(1, 64)), 800 - done)
        last = model.forward(IDS[done : done + count], cache)
        done += count
        assert error(last, reference[done - 1]) < 2e-3, done


def test_going_back(model: Runner[Any], reference: Any) -> None:
    """A little is remembered; where the window is gone all is forgotten."""
    cache = model.new_cache()
    model.forward(IDS[:700], cache)
    base = cache.bases[WINDOW]
    cache.truncate(base + WINDOW - 1)
    assert cache.length == base + WINDOW - 1
    assert error(model.forward(IDS[cache.length : 690], cache), reference[689]) < 2e-3
    cache.truncate(base + WINDOW - 2)
    assert (cache.length, cache.bases, cache.ids) == (0, {WINDOW: 0}, [])
    assert error(model.forward(IDS[:30], cache), reference[29]) < 2e-3


def test_an_interrupted_move_forgets_everything(model: Runner[Any]) -> None:
    cache = model.new_cache()
    model.forward(IDS[:40], cache)
    cache.begin_moving()
    cache.truncate(40)
    assert cache.length == 0


@pytest.mark.parametrize("seconds", [0, 1e9], ids=["one by one", "ahead"])
def test_a_lost_gpu_is_filled_again(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows that have moved are built up anew, and so is a sequence in the long form of its rotary embedding.

    Drawn ahead, the tokens reach the long form before a loss is noticed there.
    """
    monkeypatch.setattr(on_device, "BLOCK_SECONDS", seconds)
    factors = {"short_factor": [1.0] * 8, "long_factor": [2.0] * 8, "original_max_position_embeddings": 280}
    config = CONFIG | {"model_type": "phi3", "head_dim": 16, "rope_scaling": {"type": "longrope", **factors}}
    decoder = read_decoder(config)
    weights, device = random_weights(decoder), WebGPUDevice(WgpuHost())
    models: list[Runner[Any]] = [OnNumpy(decoder, weights), OnDevice(decoder, uploaded(weights, device), device, "f32")]
    greedy = GenerationOptions(max_tokens=12, temperature=0.0).filled(GenerationOptions())
    tokens: list[list[int]] = []
    for model in models:
        tokens.append([])
        events = generate(
            model, IDS[:275].tolist(), greedy, cache=model.new_cache(), decoder=NoText(), eos_ids=frozenset()
        )
        for event in events:
            if isinstance(event, GeneratedToken):
                tokens[-1].append(event.id)
                if len(tokens[-1]) in (3, 9) and model is models[1]:
                    device.host.lose("unknown")
    device.close()
    assert tokens[0] == tokens[1]
