"""A caller's function that raises within long work: its exception arrives, nothing is half changed, memory goes back.

A sibling of row A5 of the trouble table ("memory goes back after an error as after success").
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loom_py import TweenState, build_network_from_json
from loom_py.generation.loading import load_model
from loom_py.network.network import Network
from loom_py.progress import to_end
from loom_py.runtime import choice
from loom_py.runtime.device import Device
from loom_py.runtime.simd import SimdDevice
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost
from loom_py.training.config import TrainingConfig
from loom_py.training.loop import training_steps
from loom_py.tween.training import train as tween

from ..formats.tiny_gguf import write_tiny_gguf

LAYERS = [{"type": "dense", "input_size": 3, "output_size": 3, "activation": "tanh"}]
BATCHES = [{"Input": np.arange(3.0) / 10, "Target": np.arange(3.0) / 5}] * 4


class Refused(Exception):
    """Of the caller."""


def network() -> Network:
    return build_network_from_json({"layers": LAYERS}, seed=1)


def used(device: Device | None) -> int:
    """Bytes of its memory."""
    return 0 if device is None else int(str(device.info()["used"]))


def train(net: Network, epochs: int, **options: Any) -> None:
    to_end(training_steps(net, BATCHES, TrainingConfig(epochs=epochs, learning_rate=0.1, **options)))


@pytest.fixture(params=["numpy", "simd", "webgpu"])
def opened(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The device that trainings of the test run on; None for NumPy."""
    own = choice.Devices()
    device: Device | None = None
    if request.param != "numpy":
        device = SimdDevice() if request.param == "simd" else WebGPUDevice(WgpuHost())
        own.add(device)
    own.prefer(request.param)
    monkeypatch.setattr("loom_py.training.device_step.devices", own)
    yield device
    if device is not None:
        device.close()


@pytest.mark.parametrize("exception", [Refused, KeyboardInterrupt, GeneratorExit, StopIteration])
def test_a_callback_that_raises_leaves_whole_epochs(opened: Device | None, exception: type[BaseException]) -> None:
    before = used(opened)

    def second(progress: Any) -> None:
        if progress.epoch == 2:
            raise exception

    net, whole = network(), network()
    with pytest.raises((exception, RuntimeError)):  # a generator turns StopIteration into RuntimeError
        train(net, 5, callbacks=[second])
    train(whole, 2, callbacks=[lambda progress: None])
    for name, parameter in whole.parameters.items():
        assert np.array_equal(net.parameters[name], parameter), name
    train(net, 1)
    assert used(opened) == before


def test_a_checkpoint_function_that_raises(opened: Device | None) -> None:
    before = used(opened)

    def refuse(text: str, progress: Any) -> None:
        raise Refused

    net, whole = network(), network()
    with pytest.raises(Refused):
        train(net, 5, checkpoint_every_n=2, on_checkpoint=refuse)
    train(whole, 2)
    for name, parameter in whole.parameters.items():
        assert np.allclose(net.parameters[name], parameter, atol=1e-6), name
    assert used(opened) == before


def test_a_tween_callback_that_raises() -> None:
    def refuse(*_: Any) -> None:
        raise Refused

    net = network()
    state = TweenState(net)
    with pytest.raises(Refused):
        tween(state, net, [[0.1, 0.2, 0.3]] * 3, [0, 1, 2], 4, 0.1, refuse)
    assert all(np.isfinite(parameter).all() for parameter in net.parameters.values())
    tween(state, net, [[0.1, 0.2, 0.3]] * 3, [0, 1, 2], 1, 0.1)


@pytest.mark.parametrize("name", ["numpy", "simd", "webgpu"])
def test_progress_of_loading_that_raises(tmp_path: Path, name: str) -> None:
    path = write_tiny_gguf(tmp_path / "m.gguf").path
    device = {"numpy": lambda: None, "simd": SimdDevice, "webgpu": lambda: WebGPUDevice(WgpuHost())}[name]()
    before = used(device)
    counted: list[Any] = []

    def refuse(progress: Any) -> None:
        counted.append(progress)
        if len(counted) == 3:
            raise Refused

    with pytest.raises(Refused):
        load_model(path, refuse, device=device)
    assert used(device) == before
    if device is not None:
        device.close()
