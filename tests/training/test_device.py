"""Training on a device: as on NumPy, with the network up to date at every yield, and the memory freed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loom_py import Network, build_network_from_json
from loom_py.errors import DeviceError, InputError
from loom_py.runtime import choice
from loom_py.runtime.simd import SimdDevice
from loom_py.training.loop import training_steps, training_work
from loom_py.training.result import TrainingProgress

ROOT = Path(__file__).resolve().parents[2]
DEMO = json.loads((ROOT / "examples" / "grid_scatter.json").read_text("utf-8"))
LAYERS: list[dict[str, Any]] = [
    {"type": "dense", "input_size": 4, "output_size": 6, "activation": "tanh"},
    {"type": "rnn", "input_size": 3, "hidden_size": 3, "seq_length": 2},
    {"type": "dense", "output_size": 2, "activation": "sigmoid"},
]
CONFIGS: dict[str, dict[str, Any]] = {
    "sgd": {"Epochs": 7, "LearningRate": 0.1, "GradientClip": 0.5},
    "momentum, shuffled": {
        **{"Epochs": 6, "LearningRate": 0.05, "Shuffle": True, "Seed": 3},
        "Optimizer": {"Type": "sgd_momentum", "Nesterov": True},
    },
    "adamw, cosine": {
        **{"Epochs": 9, "LearningRate": 0.02, "Optimizer": "adamw"},
        "Scheduler": {"Type": "cosine"},
    },
    "rmsprop, clipped by value": {
        **{"Epochs": 5, "LearningRate": 0.01, "GradientClipValue": 0.01},
        "Optimizer": {"Type": "rmsprop", "Momentum": 0.5},
    },
}


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> Iterator[choice.Devices]:
    """Devices of one test, with `simd` open and preferred."""
    own = choice.Devices()
    device = SimdDevice()
    own.add(device)
    own.prefer("simd")
    monkeypatch.setattr("loom_py.training.device_step.devices", own)
    yield own
    assert device.info()["used"] == 0, "the training kept memory"
    device.close()


def data(sizes: tuple[int, ...] = (2, 2, 2, 2, 2)) -> list[dict[str, Any]]:
    rng = np.random.default_rng(5)
    return [
        {"Input": rng.normal(size=4 * n).round(2).tolist(), "Target": rng.uniform(size=2 * n).round(2).tolist()}
        for n in sizes
    ]


def train(network: Network, batches: list[dict[str, Any]], config: dict[str, Any], device: str) -> Any:
    steps = training_work(network, batches, config, ahead=True, device=device)
    epochs: list[TrainingProgress] = []
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            return stop.value, epochs
        assert isinstance(step, TrainingProgress)
        epochs.append(step)


def same(a: Network, b: Network, rtol: float = 2e-4) -> None:
    for (path, x), y in zip(a.parameters.items(), b.parameters.values(), strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-5, err_msg=path)
    for slot, tensors in a.training_state.slots.items():
        for x, y in zip(tensors, b.training_state.slots[slot], strict=True):
            np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-5, err_msg=slot)
    left, right = a.training_state, b.training_state
    assert (left.step, left.schedule_step, left.epoch) == (right.step, right.schedule_step, right.epoch)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("sizes", [(2, 2, 2, 2, 2), (2, 1, 2, 3, 3)], ids=["equal", "unequal"])
def test_as_on_numpy(devices: choice.Devices, name: str, sizes: tuple[int, ...]) -> None:
    networks = [build_network_from_json({"layers": LAYERS}, seed=2) for _ in range(2)]
    batches = data(sizes)
    (slow, _), (fast, events) = (
        train(n, batches, CONFIGS[name], d) for n, d in zip(networks, ("numpy", "simd"), strict=True)
    )
    assert networks[1].get_device() == {"device": "simd", "reason": "asked for"}
    np.testing.assert_allclose(fast.loss_history, slow.loss_history, rtol=1e-4)
    np.testing.assert_allclose(fast.lr_history, slow.lr_history)
    assert (fast.steps, fast.best_epoch) == (slow.steps, slow.best_epoch)
    same(networks[0], networks[1])
    for (path, g), h in zip(networks[0].gradients.items(), networks[1].gradients.values(), strict=True):
        np.testing.assert_allclose(h, g, rtol=1e-3, atol=1e-5, err_msg=path)
    assert [loss for p in events for loss in (p.losses or (p.loss,))] == fast.loss_history
    assert [p.epoch for p in events] == sorted({p.epoch for p in events})


@pytest.mark.parametrize("shuffle", [False, True])
def test_noise_is_numpys(devices: choice.Devices, shuffle: bool) -> None:
    """Gumbel noise is numbered by the batches, whatever their sizes."""
    layers = [
        {"type": "dense", "input_size": 4, "output_size": 3, "activation": "linear"},
        {"type": "softmax", "softmax_variant": "gumbel", "seed": 3},
        {"type": "dense", "output_size": 2, "activation": "linear"},
    ]
    networks = [build_network_from_json({"layers": layers}, seed=2) for _ in range(2)]
    config = {"Epochs": 5, "LearningRate": 0.1, "Shuffle": shuffle, "Seed": 1}
    slow, fast = (
        train(n, data((2, 1, 2, 3, 3, 1)), config, d)[0] for n, d in zip(networks, ("numpy", "simd"), strict=True)
    )
    assert networks[1].get_device()["device"] == "simd"
    np.testing.assert_allclose(fast.loss_history, slow.loss_history, rtol=1e-4)
    same(networks[0], networks[1])


def test_the_demo_learns(devices: choice.Devices) -> None:
    network = build_network_from_json(DEMO["network"], seed=1)
    result, events = train(network, DEMO["batches"], {"Epochs": 800, "LearningRate": 0.15, "GradientClip": 1.0}, "simd")
    assert result.final_loss < 5e-4
    assert len(result.loss_history) == 800
    assert len(events) < 400, "epochs are reported together"


def test_a_network_is_up_to_date_whenever_training_yields(devices: choice.Devices) -> None:
    """Stopped after any progress, it equals NumPy after as many updates."""
    network = build_network_from_json({"layers": LAYERS}, seed=2)
    steps = training_steps(network, data(), {"Epochs": 50, "LearningRate": 0.1}, every_step=True)
    step = [next(steps) for _ in range(4)][-1]
    steps.close()
    count = network.training_state.step
    assert count == step.step > 0
    other = build_network_from_json({"layers": LAYERS}, seed=2)
    rest = training_steps(other, data(), {"Epochs": 50, "LearningRate": 0.1}, every_step=True, device="numpy")
    while other.training_state.step < count:
        next(rest)
    rest.close()
    for (path, a), b in zip(network.parameters.items(), other.parameters.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6, err_msg=path)


def test_callbacks_see_every_epoch(devices: choice.Devices) -> None:
    network = build_network_from_json({"layers": LAYERS}, seed=2)
    seen: list[tuple[int, float]] = []

    def look(p: TrainingProgress) -> bool:
        seen.append((p.epoch, float(network.parameters["layers.0.kernel"][0, 0])))
        return p.epoch == 3

    from loom_py.training.config import TrainingConfig

    result = network.train(data(), TrainingConfig(epochs=20, learning_rate=0.1, callbacks=[look]))
    assert [epoch for epoch, _ in seen] == [1, 2, 3]
    assert len({value for _, value in seen}) == 3
    assert result.stop_reason == "callback"


def test_resume_from_a_checkpoint(devices: choice.Devices) -> None:
    """Five epochs, save, load, five epochs: bit for bit ten epochs, on the same device."""
    from loom_py import load_model_from_string

    config = {"LearningRate": 0.05, "Optimizer": "adamw", "Shuffle": True, "Seed": 9}
    whole = build_network_from_json({"layers": LAYERS}, seed=2)
    whole.train(data(), config | {"Epochs": 10})
    half = build_network_from_json({"layers": LAYERS}, seed=2)
    half.train(data(), config | {"Epochs": 5})
    again = load_model_from_string(half.save_model_to_string("x"), "x")
    again.train(data(), config | {"Epochs": 10, "InitialEpoch": 5})
    for (path, a), b in zip(whole.parameters.items(), again.parameters.values(), strict=True):
        assert a.tobytes() == b.tobytes(), path


def test_what_cannot_go_there_says_why(devices: choice.Devices) -> None:
    network = build_network_from_json({"layers": LAYERS}, seed=2)
    network.train(data(), {"Epochs": 1, "AccumulationSteps": 2})
    assert network.get_device()["device"] == "numpy"
    assert "accumulation" in network.get_device()["reason"]
    double = build_network_from_json({"layers": LAYERS}, seed=2).astype(np.float64)
    double.train(data(), {"Epochs": 1})
    assert double.get_device() == {"device": "numpy", "reason": "simd: the network is float64"}
    devices.prefer("webgpu")
    devices.missing("webgpu", "no adapter")
    network.train(data(), {"Epochs": 1})
    assert network.get_device()["device"] == "simd"
    assert "no adapter" in network.get_device()["reason"]


def test_a_loss_that_explodes_is_an_error(devices: choice.Devices) -> None:
    layers = [{"type": "dense", "input_size": 4, "output_size": 2, "activation": "linear"}]
    network = build_network_from_json({"layers": layers}, seed=2)
    with pytest.raises(InputError, match="the loss is"):
        network.train(data(), {"Epochs": 2000, "LearningRate": 1e6})


def test_names_of_devices() -> None:
    with pytest.raises(InputError, match="Known: auto"):
        choice.Devices().prefer("cuda")
    with pytest.raises(InputError):
        SimdDevice(threads=0)
    device = SimdDevice()
    with pytest.raises(DeviceError):
        device.memory.free(12345)
    device.close()


def test_a_device_without_room_is_passed_over(devices: choice.Devices, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise DeviceError("no memory", where="simd")

    network = build_network_from_json({"layers": LAYERS}, seed=2)
    with monkeypatch.context() as patched:
        patched.setattr(SimdDevice, "compile", full)
        network.train(data(), {"Epochs": 1})
    assert network.get_device() == {"device": "numpy", "reason": "simd: no memory"}


def test_one_training_at_a_time(devices: choice.Devices) -> None:
    network = build_network_from_json({"layers": LAYERS}, seed=2)
    steps = training_steps(network, data(), {"Epochs": 5})
    next(steps)
    with pytest.raises(InputError, match="trained already"):
        network.train(data(), {"Epochs": 1})
    steps.close()
    assert len(network.train(data(), {"Epochs": 2}).loss_history) == 2


CHANGES: dict[str, Callable[[Network], object]] = {
    "update_weights": lambda n: n.update_weights(0.1),
    "apply_gradients": lambda n: n.apply_gradients(0.1),
    "apply_gradients_adamw": lambda n: n.apply_gradients_adamw(0.1, 0.9, 0.999, 0.0),
    "initialize_weights": lambda n: n.initialize_weights(3),
    "set_layer": lambda n: n.set_layer(0, 0, 0, n.get_layer(0, 0, 0)),
    "set_optimizer": lambda n: n.set_optimizer({"Type": "adamw"}),
    "reset_optimizer": lambda n: n.reset_optimizer(),
    "tween_step": lambda n: n.init_tween_state({"Mode": "principled"}).tween_step(n, [1.0, 2.0, 3.0, 4.0], 0, 2, 0.1),
    "train_with_stepping": lambda n: n.train_with_stepping({}, [{"Input": [1.0] * 4, "Target": [0.0, 1.0]}], 9),
}


@pytest.mark.parametrize("device", ["numpy", "simd"])
@pytest.mark.parametrize("name", CHANGES)
def test_nothing_else_changes_a_network_in_training(devices: choice.Devices, name: str, device: str) -> None:
    networks = [build_network_from_json({"layers": LAYERS}, seed=2) for _ in range(2)]
    for network, disturbed in zip(networks, (False, True), strict=True):
        network.forward([0.5] * 4)
        network.backward([0.1, 0.2])
        steps = training_steps(network, data(), {"Epochs": 6, "LearningRate": 0.1}, every_step=True, device=device)
        for _ in steps:
            if disturbed:
                with pytest.raises(InputError, match="is being trained"):
                    CHANGES[name](network)
        CHANGES[name](network)
    same(networks[0], networks[1], rtol=0)


def test_weights_changed_in_place_between_epochs(devices: choice.Devices) -> None:
    """A callback that keeps weights in bounds does so on every device."""
    networks = [build_network_from_json({"layers": LAYERS}, seed=2) for _ in range(2)]

    def clamp(network: Network) -> None:
        for a in network.parameters.values():
            np.clip(a, -0.3, 0.3, out=a)

    for network, device in zip(networks, ("numpy", "simd"), strict=True):
        config = {"Epochs": 12, "LearningRate": 0.5, "Optimizer": "adamw"}
        for _ in training_steps(network, data(), config, device=device):
            clamp(network)
        assert network.get_device()["device"] == device
    same(networks[0], networks[1], rtol=2e-3)
    assert max(np.abs(a).max() for a in networks[1].parameters.values()) == np.float32(0.3)


def test_observers_get_events_from_the_next_epoch_on(devices: choice.Devices) -> None:
    networks = [build_network_from_json({"layers": LAYERS}, seed=2) for _ in range(2)]
    config = {"Epochs": 60, "LearningRate": 0.003, "Optimizer": "adamw"}
    used: list[str] = []
    for network, observed in zip(networks, (False, True), strict=True):
        for progress in training_work(network, data(), config):
            assert isinstance(progress, TrainingProgress)
            used.append(network.get_device()["device"])
            if observed and progress.epoch == 20:
                network.start_recording()
            if observed and progress.epoch == 40:
                events = network.stop_recording()["events"]
                assert len([e for e in events if e["Type"] == "forward"]) == 20 * len(data()) * len(LAYERS)
    assert used == ["simd"] * 60 + ["simd"] * 20 + ["numpy"] * 20 + ["simd"] * 20
    same(networks[0], networks[1])


def test_nothing_grows_over_ten_thousand_steps(devices: choice.Devices) -> None:
    network = build_network_from_json(DEMO["network"], seed=1)
    device = devices.get("simd")
    assert device is not None
    steps = training_work(network, DEMO["batches"], {"Epochs": 2500, "LearningRate": 0.1}, ahead=True)
    next(steps)
    before = device.info()
    for _ in steps:
        now = device.info()
        assert (now["used"], now["memory"]) == (before["used"], before["memory"])
    assert network.training_state.step == 10_000


def test_few_programs_are_kept(devices: choice.Devices) -> None:
    network = build_network_from_json({"layers": LAYERS}, seed=2)
    for i in range(12):
        network.train(data(), {"Epochs": 1, "GradientClip": 1.0 + i})
    assert len(network.recorded) <= 8
