"""The real SmolLM2-135M-Instruct in WGSL, on a Vulkan driver for the CPU: torch's tokens, one for one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from loom_py.generation.loading import load_model
from loom_py.generation.sampling import GenerationOptions
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost

from ..formats.conftest import real_gguf  # noqa: F401 (a fixture)
from .test_smollm2 import ROWS

pytestmark = pytest.mark.model


def test_greedy_tokens(real_gguf: Path) -> None:  # noqa: F811
    device = WebGPUDevice(WgpuHost())
    model = load_model(real_gguf, device=device, activations="f32")
    assert model.device == "webgpu"
    assert device.host.used()[0] < 120e6, "weights stay as the file has them"
    for row in ROWS:
        logits = model.model.forward(np.array(row["ids"]), cache := model.model.new_cache())
        np.testing.assert_allclose(logits[row["top_ids"]], row["top_logits"], atol=2e-3)
        cache.close()  # type: ignore[attr-defined]
        tokens = list(model.generate(row["prompt"], GenerationOptions(max_tokens=12)))
        assert [t.id for t in tokens] == row["generated"][:12]
    model.close()
    assert device.host.used() == (0, 0)
    device.close()
