"""Layers that differ between training and evaluation: batch norm against torch's numbers, dropout, saved state."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from loom_py import Network, build_network_from_json, load_model_from_string
from loom_py.errors import ConfigError, InputError
from loom_py.formats.source import BytesSource
from loom_py.network.bundle import dump_bundle, dump_weights
from loom_py.nn.layer import BUFFERS
from loom_py.runtime.choice import Devices
from loom_py.runtime.device import Device
from loom_py.runtime.simd import SimdDevice
from loom_py.runtime.trace import TracingOps
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost

from ..report import row
from .torch_reference import CASES, FILE, data, reference

STORED: dict[str, dict[str, list[float]]] = json.loads(FILE.read_text())
LIMIT = 1e-5
Passes = Callable[[Network, np.ndarray, np.ndarray, bool], dict[str, np.ndarray]]


def one_layer(name: str) -> Network:
    case = CASES[name]
    options = {key: value for key, value in case.items() if key != "shape"}
    channels, positions = case["shape"][1:]
    layer = {"type": "batch_norm", "channels": channels, **options}
    network = build_network_from_json({"input_size": channels * positions, "layers": [layer]})
    for path, a in network.parameters.items():
        a[...] = data(name)[path.rpartition(".")[2]]
    return network


def on_numpy(network: Network, x: np.ndarray, gy: np.ndarray, training: bool) -> dict[str, np.ndarray]:
    network.set_training(training)
    y = network.forward(x)
    gx = network.backward(gy)
    tensors = {"y": y, "gx": gx, **network.buffers, **network.gradients}
    return {path.rpartition(".")[2]: a for path, a in tensors.items()}


def on_simd(network: Network, x: np.ndarray, gy: np.ndarray, training: bool) -> dict[str, np.ndarray]:
    """One program for both passes; the statistics that it updates go back into the network."""
    ops: Any = TracingOps("pass")
    layer, params = network.layers[0], network.params[0]
    names = {**network.parameters, **network.buffers}
    state = {path.rpartition(".")[2]: a for path, a in names.items()}
    traced = {name: ops.tensor(a, "state", name) for name, a in state.items()}
    kept = {name: traced[name] for name in params[BUFFERS]}
    p = {name: traced[name] for name in params if name != BUFFERS} | {BUFFERS: kept}
    y, cache = layer.forward(ops, p, ops.tensor(x, "input", "x"), {}, training)
    gx, grads = layer.backward(ops, p, cache, ops.tensor(gy, "input", "gy"))
    for name, tensor in {"y": y, "gx": gx, **grads}.items():
        ops.output(name, tensor)
    device = SimdDevice()
    uploaded = {name: device.upload(a) for name, a in state.items()}
    executable = device.compile(ops.program, uploaded)
    outputs = executable.run({"x": x, "gy": gy})
    for name, a in params[BUFFERS].items():
        a[...] = outputs[name] = device.download(uploaded[name])
    executable.free()
    device.close()
    return outputs


@pytest.mark.parametrize("passes", [on_numpy, on_simd])
@pytest.mark.parametrize("name", CASES)
def test_batch_norm_is_torch_s(name: str, passes: Passes) -> None:
    """Two training passes and an evaluation pass, forward and backward."""
    network, inputs, shape = one_layer(name), data(name), CASES[name]["shape"]
    worst = 0.0
    for i in range(3):
        x, gy = (inputs[key][i].reshape(shape[0], -1) for key in ("x", "gy"))
        actual = passes(network, x, gy, i < 2)
        expected = {key[:-2]: np.array(a) for key, a in STORED[name].items() if key.endswith(str(i))}
        assert set(actual) == set(expected)
        for key, a in expected.items():
            # Some gradients vanish in part; what remains is the rounding of the subtraction.
            floor = 0.1 * float(np.linalg.norm(gy))
            error = np.linalg.norm(actual[key].ravel() - a) / max(float(np.linalg.norm(a)), floor)
            worst = max(worst, float(error))
            assert error < LIMIT, (key, i)
    row("batch norm beside torch's", f"{name:<24}{passes.__name__:<10}{worst:.1e}")


@pytest.mark.parametrize("name", CASES)
def test_the_stored_numbers_are_torch_s(name: str) -> None:
    pytest.importorskip("torch")
    for key, values in reference(name).items():
        np.testing.assert_allclose(values, STORED[name][key], rtol=1e-5, atol=1e-5)


def test_dropout_beside_its_formula() -> None:
    network = build_network_from_json({"input_size": 400, "layers": [{"type": "dropout", "p": 0.25, "seed": 3}]})
    x = np.random.default_rng(0).normal(size=(20, 400)).astype(np.float32)
    np.testing.assert_array_equal(network.forward(x), x)
    np.testing.assert_array_equal(network.backward(x), x)
    network.set_training(True)
    masks = []
    for _ in range(2):
        y = network.forward(x)
        masks.append(y != 0)
        np.testing.assert_allclose(y, np.where(masks[-1], x / 0.75, 0), rtol=1e-6)
        gy = np.ones_like(x)
        np.testing.assert_allclose(network.backward(gy), masks[-1] / 0.75, rtol=1e-6)
        assert masks[-1].mean() == pytest.approx(0.75, abs=0.02)
    assert (masks[0] == masks[1]).mean() < 0.7, "each pass has its own mask"
    network.reset_state()
    np.testing.assert_array_equal(network.forward(x) != 0, masks[0])


LAYERS = [
    {"type": "dense", "output_size": 6, "activation": "tanh"},
    {"type": "batch_norm"},
    {"type": "parallel", "branches": [{"type": "dropout"}, {"type": "batch_norm", "channels": 2}, {"type": "dropout"}]},
    {"type": "dense", "output_size": 2, "activation": "sigmoid"},
]
RNG = np.random.default_rng(1)
X, T = RNG.normal(size=(8, 5)).astype(np.float32), RNG.uniform(0, 1, (8, 2)).astype(np.float32)
BATCHES = [{"Input": X[:5], "Target": T[:5]}, {"Input": X[5:], "Target": T[5:]}]


def build() -> Network:
    return build_network_from_json({"input_size": 5, "layers": LAYERS}, seed=4)


def test_training_is_the_same_on_every_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights and statistics after training."""
    own = Devices()
    monkeypatch.setattr("loom_py.training.device_step.devices", own)
    opened: list[Device] = [SimdDevice(), WebGPUDevice(WgpuHost())]
    for device in opened:
        own.add(device)
    results = []
    for name in ("numpy", "simd", "webgpu"):
        own.prefer(name)
        network = build()
        network.train(BATCHES, {"Epochs": 6, "LearningRate": 0.1, "Optimizer": "adamw"})
        assert network.computed_on.name == name, network.computed_on.reason
        results.append(np.concatenate([a.ravel() for a in (network.parameters | network.buffers).values()]))
    for device in opened:
        device.close()
    for other in results[1:]:
        assert np.linalg.norm(other - results[0]) < 1e-4 * np.linalg.norm(results[0])


def test_two_dropouts_of_a_network_differ() -> None:
    branches = build().layers[2].to_json()["branches"]
    assert branches[0]["seed"] != branches[2]["seed"]


def test_only_training_passes_move_the_statistics_and_nothing_trains_them() -> None:
    network = build()
    before = {path: a.copy() for path, a in network.buffers.items()}
    assert set(before) == {f"layers.{p}.{n}" for p in ("1", "2.branches.1") for n in ("running_mean", "running_var")}
    assert not set(before) & set(network.parameters)
    network.forward(X)
    network.evaluate_network(list(X), [0.0] * 8)
    network.backward(T)
    network.update_weights(0.1)
    assert all(np.array_equal(a, before[path]) for path, a in network.buffers.items())
    network.set_training(True)
    network.forward(X)
    assert not any(np.array_equal(a, before[path]) for path, a in network.buffers.items())


def test_a_failed_training_pass_leaves_the_statistics_alone() -> None:
    layers = [{"type": "batch_norm"}, {"type": "embedding", "vocab_size": 2, "embedding_dim": 1}]
    network = build_network_from_json({"input_size": 3, "layers": layers})
    network.set_training(True)
    with pytest.raises(InputError, match="token id"):
        network.forward(np.ones((2, 3)) * [[1], [2]])
    assert not network.buffers["layers.0.running_mean"].any()


def test_saved_and_loaded_everywhere() -> None:
    network = build()
    network.train(BATCHES, {"Epochs": 3, "LearningRate": 0.1, "Optimizer": "adamw"})
    beside = {"w.safetensors": BytesSource(dump_weights({"m": network}))}
    copies = [
        load_model_from_string(network.save_model_to_string("m"), "m"),
        load_model_from_string(dump_bundle({"m": network}, "w.safetensors"), "m", beside),
    ]
    for copy in copies:
        assert copy.forward(X).tobytes() == network.forward(X).tobytes()
        assert all(a.tobytes() == network.buffers[path].tobytes() for path, a in copy.buffers.items())
    replaced = build()
    for i in range(4):
        replaced.set_layer(0, 0, i, json.loads(json.dumps(network.get_layer(0, 0, i))))
    assert replaced.forward(X).tobytes() == network.forward(X).tobytes()
    wide = network.astype(np.float64)
    assert {a.dtype for a in wide.buffers.values()} == {np.dtype(np.float64)}
    whole, resumed = build(), build()
    whole.train(BATCHES, {"Epochs": 5, "LearningRate": 0.1, "Optimizer": "adamw"})
    resumed.train(BATCHES, {"Epochs": 2, "LearningRate": 0.1, "Optimizer": "adamw"})
    again = load_model_from_string(resumed.save_model_to_string("m"), "m")
    again.train(BATCHES, {"Epochs": 3, "LearningRate": 0.1, "Optimizer": "adamw"})
    assert {p: a.shape for p, a in again.buffers.items()} == {p: a.shape for p, a in whole.buffers.items()}


def test_stepping_and_tweening_train_them() -> None:
    network = build_network_from_json({"input_size": 4, "layers": [{"type": "batch_norm", "channels": 2}, LAYERS[3]]})
    before = {path: a.copy() for path, a in network.buffers.items()}
    network.train_with_stepping({"LearningRate": 0.05}, [{"Input": [1.0, 2, 3, 4], "Target": [0.1, 0.9]}], 12)
    assert not any(np.array_equal(a, before[path]) for path, a in network.buffers.items())
    blueprint = network.get_blueprint()["layers"][0]
    assert (blueprint["parameters"], blueprint["input_shape"]) == (4, [2, 2])


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"type": "dropout", "rate": 1}, r"layers\[0\].rate: 1 must be below 1"),
        ({"type": "dropout", "rate": -0.1}, r"layers\[0\].rate: -0.1 must be at least 0"),
        ({"type": "batch_norm", "channels": 4}, r"layers\[0\].channels: 4 channels do not divide the 6 inputs"),
        ({"type": "batch_norm", "momentum": 1.5}, r"layers\[0\].momentum: 1.5 must be at most 1"),
    ],
)
def test_bad_options(layer: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_network_from_json({"input_size": 6, "layers": [layer]})


def test_one_value_a_channel_has_no_statistics() -> None:
    network = build_network_from_json({"input_size": 3, "layers": [{"type": "batch_norm"}]})
    with pytest.raises(InputError, match=r"batches\[1\].Input: batch norm needs more than one value a channel"):
        network.train([{"Input": X[:2, :3], "Target": X[:2, :3]}, {"Input": X[2, :3], "Target": X[2, :3]}])
    assert not network.buffers["layers.0.running_mean"].any(), "refused before anything changed"
    network.forward([1.0, 2, 3])
