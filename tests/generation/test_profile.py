"""Where the time of a language model goes: a step of an answer and a chunk of a prompt, on every device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loom_py.errors import InputError
from loom_py.generation.loading import load_model
from loom_py.generation.sampling import GenerationOptions
from loom_py.progress import to_end
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost

from ..formats.tiny_gguf import HIDDEN, LAYERS, write_tiny_gguf
from ..models.families import Case, on_device, on_numpy
from ..runtime.devices import DEVICES

PLACES: dict[str, Any] = {"numpy": None, **DEVICES, "wgpu": lambda: WebGPUDevice(WgpuHost())}
FUSED = {"norm_gate_up": LAYERS, "attention": LAYERS, "rope_cache": LAYERS, "sample": 1, "embedding": 1}
PLAIN = {"silu_mul": LAYERS, "attention": LAYERS, "cache_write": 2 * LAYERS, "sample": 1, "embedding": 1}


@pytest.mark.parametrize("place", PLACES)
def test_steps_of_a_model(place: str, tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "m.gguf", kind="Q4_1").path
    device = PLACES[place]() if PLACES[place] else None
    model = load_model(path, device=device)
    options = GenerationOptions(max_tokens=8, seed=3, temperature=1.0)
    text = [token.id for token in model.generate("hello world", options)]
    used = None if device is None else device.info()["used"]
    for tokens in (1, 16):
        profile = model.profile(tokens, 20, 1)
        assert profile.device.split(",")[0] == model.device
        counted: dict[str, int] = {}
        for row in profile.rows:
            counted[row.kernel] = counted.get(row.kernel, 0) + row.calls
        expected = PLAIN if device is None else FUSED
        assert {name: counted[name] for name in expected} == expected
        attention = next(row for row in profile.rows if row.kernel == "attention")
        visible = sum(21 + t for t in range(tokens))
        assert attention.operations == LAYERS * 2 * 2 * visible * HIDDEN
        assert any("Q4_1" in row.shapes for row in profile.rows) == (device is not None)
        if device is not None:
            assert device.info()["used"] == used
    for arguments, where in (((0,), "tokens"), ((65,), "tokens"), ((1, -1), "context"), ((1, 128), "context")):
        with pytest.raises(InputError, match=f"^{where}: "):
            model.profile(*arguments)
    if device is not None:
        assert device.info()["used"] == used
    assert [token.id for token in model.generate("hello world", options)] == text
    model.close()
    with pytest.raises(InputError, match="the model was closed"):
        model.profile()
    if device is not None:
        device.close()


@pytest.mark.parametrize("place", ["numpy", "simd"])
def test_a_model_that_takes_positions_as_an_input(place: str) -> None:
    case = Case("gpt2")
    device = PLACES[place]() if PLACES[place] else None
    decoder, file = case.decoder(), case.checkpoint()
    model: Any = on_device(decoder, file, "hugging_face", device) if device else on_numpy(decoder, file, "hugging_face")
    profile = to_end(model.profile(4, 2, 1))
    assert sum(row.calls for row in profile.rows if row.kernel == "embedding") == 2
    model.close()
    if device is not None:
        device.close()
