"""Training whose numbers leave the ordinary: each on NumPy, on the compiled kernels and on the GPU's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from loom_py import Network, build_network_from_json
from loom_py.runtime import choice
from loom_py.runtime.device import Device
from loom_py.runtime.simd import SimdDevice
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost
from loom_py.training.config import TrainingConfig

Devices = dict[str, Device]


@pytest.fixture(scope="module")
def opened() -> Iterator[Devices]:
    devices: Devices = {"simd": SimdDevice(), "webgpu": WebGPUDevice(WgpuHost())}
    yield devices
    for device in devices.values():
        device.close()


@pytest.fixture(params=["numpy", "simd", "webgpu"])
def device(request: pytest.FixtureRequest, opened: Devices, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The device that trainings of the test run on."""
    own = choice.Devices()
    for opened_device in opened.values():
        own.add(opened_device)
    own.prefer(request.param)
    monkeypatch.setattr("loom_py.training.device_step.devices", own)
    yield request.param


def net(*layers: dict[str, Any], **weights: list[float]) -> Network:
    """A network of these layers; `kernel` and `bias` are of its first one."""
    network = build_network_from_json({"layers": list(layers)}, seed=1)
    for name, values in weights.items():
        parameter = network.parameters[f"layers.0.{name}"]
        parameter[...] = np.reshape(values, parameter.shape)
    return network


def one(w: float, activation: str = "linear") -> Network:
    """1 → 1 with the weight w and no bias."""
    return net({"type": "dense", "input_size": 1, "output_size": 1, "activation": activation}, kernel=[w], bias=[0])


def pair(x: list[float], target: list[float]) -> list[dict[str, Any]]:
    return [{"Input": x, "Target": target}]


# --- clipping by norm (found by fuzzing) --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("x", "clip"),
    [(1e10, 1.0), (1e15, 1.0), (3e18, 1e-3), (1e-13, 1e-26), (1e-13, 1e-30), (1.0, 1e-10)],
    ids=lambda value: f"{value:g}",
)
def test_a_clipped_gradient_has_the_length_asked_for(device: str, x: float, clip: float) -> None:
    """The gradient of w is x²: its square is no float32 from 1e10 on and below 1e-12."""
    network = one(0.5)
    before = network.parameters["layers.0.kernel"].copy()
    rate = 0.1 / clip
    network.train(pair([x], [0]), {"Epochs": 1, "LearningRate": rate, "GradientClip": clip})
    assert network.get_device()["device"] == device
    g_w, g_b = x * x, x
    change = before - network.parameters["layers.0.kernel"]
    wanted = 0.1 * g_w / np.hypot(g_w, g_b)
    np.testing.assert_allclose(change, wanted, rtol=1e-5, atol=1e-7)


def test_the_norm_is_one_of_all_weights(device: str) -> None:
    """Gradients of very different sizes in one network: the smallest still has its share of the largest's factor."""
    layers = [{"type": "dense", "input_size": 2, "output_size": 1, "activation": "linear"}]
    network = net(*layers, kernel=[1, 1], bias=[0])
    network.train(pair([1e12, 1e8], [0]), {"Epochs": 1, "LearningRate": 1, "GradientClip": 1})
    assert network.get_device()["device"] == device
    np.testing.assert_allclose(network.parameters["layers.0.kernel"][:, 0], [0, 1 - 1e-4], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(network.parameters["layers.0.bias"], [-1e-12], rtol=1e-3)


@pytest.mark.parametrize(("x", "norm"), [(1e12, 1e24), (1e-15, 1e-15)])
def test_the_norm_is_reported(device: str, x: float, norm: float) -> None:
    """Without clipping too, and of a gradient of which every square underflows."""
    norms: list[float] = []
    config = TrainingConfig(epochs=1, learning_rate=1e-30, callbacks=[lambda p: norms.append(p.gradient_norm)])
    one(0.5).train(pair([x], [0]), config)
    np.testing.assert_allclose(norms, [norm], rtol=1e-5)
