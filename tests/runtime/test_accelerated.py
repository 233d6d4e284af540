"""InitGPU, ForwardGPU, BackwardGPU, ReleaseGPU over any device, and their errors without one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from loom_py import build_network_from_json
from loom_py.errors import DeviceError, InputError
from loom_py.network.network import Network
from loom_py.network.on_device import NetworkOnDevice
from loom_py.runtime import choice
from loom_py.runtime.simd import SimdDevice

LAYERS = [
    {"type": "dense", "input_size": 3, "output_size": 4, "activation": "tanh"},
    {"type": "dense", "output_size": 2},
]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    """A network on a device that stands in for a GPU: the methods do not care which device it is."""
    device = SimdDevice()
    device.name = "webgpu"
    own = choice.Devices()
    own.add(device)
    monkeypatch.setattr("loom_py.runtime.choice.devices", own)
    monkeypatch.setattr("loom_py.network.accelerated.devices", own)
    yield build_network_from_json({"layers": LAYERS}, seed=1)
    device.close()


def test_passes_equal_numpy(network: Network) -> None:
    network.init_gpu()
    x, gy = np.array([[0.1, -0.2, 0.3], [1, 2, 3]], np.float32), np.array([[1, -1], [0.5, 2]])
    used = network._gpu().device.info()["used"]
    for _ in range(3):
        y, duration = network.forward_gpu(x)
        gx, _ = network.backward_gpu(gy)
        gradients = {path: g.copy() for path, g in network.gradients.items()}
        assert duration > 0
        np.testing.assert_allclose(y, network.forward(x).ravel(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(gx, network.backward(gy).ravel(), rtol=1e-5, atol=1e-6)
        for path, g in network.gradients.items():
            np.testing.assert_allclose(gradients[path], g, rtol=1e-5, atol=1e-6, err_msg=path)
        network.update_weights(0.5)  # the next pass sees the new weights
    gpu = network._gpu()
    network.release_gpu()
    assert gpu.device.info()["used"] == used == 0


def test_order_and_sizes(network: Network) -> None:
    with pytest.raises(DeviceError, match="InitGPU"):
        network.forward_gpu([1, 2, 3])
    network.init_gpu()
    with pytest.raises(InputError, match="ForwardGPU"):
        network.backward_gpu([1, 2])
    network.forward_gpu([1, 2, 3])
    with pytest.raises(InputError, match="2 values"):
        network.backward_gpu([1, 2, 3])
    network.set_layer(0, 0, 1, {"type": "dense", "input_height": 4, "output_height": 2})
    with pytest.raises(DeviceError, match="InitGPU again"):
        network.forward_gpu([1, 2, 3])


def test_a_device_that_waits_is_not_waited_for(network: Network) -> None:
    from loom_py.runtime.pending import Waiting, finished

    def steps() -> Iterator[Waiting]:
        yield Waiting("a promise")

    with pytest.raises(DeviceError, match="promise API"):
        finished(steps())  # type: ignore[arg-type]


def test_names() -> None:
    assert {"InitGPU", "ReleaseGPU", "ForwardGPU", "BackwardGPU", "GetDevice"} <= set(Network.list_methods(Network([])))
    assert NetworkOnDevice.__doc__
