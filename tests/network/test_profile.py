"""Where the time of a network goes: its kernels on every device, and the network left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from loom_py import build_network_from_json
from loom_py.errors import DeviceError, InputError
from loom_py.runtime.choice import devices
from loom_py.runtime.simd import SimdDevice

DENSE = {"type": "dense", "output_size": 4, "activation": "tanh"}
LAYERS = [{**DENSE, "input_size": 6}, {"type": "dropout", "rate": 0.5}, DENSE]


@pytest.fixture(params=["numpy", "simd"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    instance = SimdDevice()
    monkeypatch.setattr(devices, "_open", {"simd": instance})
    yield request.param
    assert instance.info()["used"] == 0
    instance.close()


def calls(profile: Any) -> dict[str, int]:
    """Kernel → calls, whatever their shapes."""
    counted: dict[str, int] = {}
    for row in profile.rows:
        counted[row.kernel] = counted.get(row.kernel, 0) + row.calls
    return counted


def test_a_pass_and_an_update(device: str) -> None:
    network = build_network_from_json({"layers": LAYERS}, seed=1)
    before = {name: a.copy() for name, a in network.parameters.items()}
    forward = network.profile(None, "forward", device, 1)
    assert forward.device == device
    assert calls(forward)["matmul"] == calls(forward)["activate"] == 2
    assert "32×6, 6×4, 4 → 32×4" in [row.shapes for row in forward.rows]
    update = network.profile(np.ones((5, 6)), "training", device, 1)
    assert calls(update)["matmul"] > 4
    assert calls(update)["dropout"] == 2  # there and back
    assert calls(update)["sgd_step"] == (4 if device == "numpy" else 1)  # there, all together
    for name, a in network.parameters.items():
        assert np.array_equal(a, before[name])
    assert network.get_optimizer()["Step"] == 0
    assert network.train([{"Input": [1] * 6, "Target": [0] * 4}], {"Epochs": 1}).steps == 1


def test_the_device_in_use_is_measured_and_one_that_cannot_is_passed_over(device: str) -> None:
    preference, chosen = devices.preference, devices.chosen
    devices.prefer(device)
    try:
        assert build_network_from_json({"layers": LAYERS}).profile(repeats=1).device == device
        doubled = build_network_from_json({"layers": LAYERS}).astype("float64")
        assert doubled.profile(repeats=1).device == "numpy"
        with pytest.raises(DeviceError, match="is float64"):
            doubled.profile(device="simd", repeats=1)
    finally:
        devices.preference, devices.chosen = preference, chosen


def test_wrong_arguments_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_open", {})
    network = build_network_from_json({"layers": LAYERS})
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"step": "traning"}, "step: unknown step 'traning'. Did you mean 'training'?"),
        ({"device": "simdd"}, "device: unknown device 'simdd'"),
        ({"repeats": 0}, "repeats: "),
        ({"rows": 0}, "rows: "),
        ({"input": [1, 2]}, "input: expected a multiple of 6 values, got 2"),
    ]
    for arguments, message in wrong:
        with pytest.raises(InputError) as caught:
            network.profile(**arguments)
        assert str(caught.value).startswith(message)
    with pytest.raises(DeviceError, match="is not available"):
        network.profile(device="webgpu")
    softmax = build_network_from_json({"layers": [{"type": "softmax"}]})
    with pytest.raises(InputError, match="input: is needed"):
        softmax.profile()
    assert softmax.profile([[1, 2, 3]], repeats=1).rows[0].shapes == "1×3 → 1×3"
