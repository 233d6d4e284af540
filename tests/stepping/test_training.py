"""Training by stepping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loom_py import build_network_from_json
from loom_py.errors import ConfigError, InputError
from loom_py.network.network import Network
from loom_py.network.reflection import methods
from loom_py.stepping import SteppingConfig, stepping_steps, train_with_stepping

LAYERS = {
    "layers": [
        {"type": "dense", "input_size": 4, "output_size": 8, "activation": "tanh"},
        {"type": "lstm", "hidden_size": 12},
        {"type": "dense", "output_size": 3, "activation": "sigmoid"},
    ]
}
DATA = [
    {"Input": [0.1, 0.2, 0.1, 0.3], "Target": [1.0, 0.0, 0.0]},
    {"Input": [0.8, 0.9, 0.8, 0.7], "Target": [0.0, 1.0, 0.0]},
    {"Input": [0.1, 0.9, 0.1, 0.9], "Target": [0.0, 0.0, 1.0]},
]


def test_learns_with_a_schedule_and_an_optimiser() -> None:
    network = build_network_from_json(LAYERS, seed=0)
    config = {"LearningRate": 0.02, "Optimizer": "adamw", "LRSchedule": "cosine", "Hold": 5, "GradientClip": 1.0}
    result = network.train_with_stepping(config, DATA, 3000)
    assert result.final_loss < 0.01 < result.loss_history[0]
    assert result.lr_history[0] > result.lr_history[-1]
    record = result.to_json()
    assert set(record) == {"TotalSteps", "FinalLoss", "LossHistory", "LRHistory", "TotalTime", "StepsPerSecond"}
    assert record["TotalSteps"] == 3000
    assert len(record["LossHistory"]) == len(record["LRHistory"]) == 30
    assert record["StepsPerSecond"] > 0
    assert [int(np.argmax(network.forward(s["Input"]))) for s in DATA] == [0, 1, 2]
    assert "TrainWithStepping" in methods(Network)


def by_hand(updates: int, **options: Any) -> Network:
    """The same training, written out: plain SGD on the mse of a target three ticks old."""
    network = build_network_from_json(LAYERS, seed=1)
    state = network.init_step_state(4)
    targets: list[Any] = []
    grads: list[dict[str, Any]] = []
    for tick in range(updates + 2):
        sample = DATA[tick % 3]
        state.set_input(sample["Input"])
        state.step_forward()
        targets.append(np.array(sample["Target"], np.float32))
        if tick < 2:
            continue
        y = state.get_output()
        state.step_backward((y - targets[tick - 2]) * np.float32(2 / 3))
        grads.append({path: g.copy() for path, g in network.gradients.items()})
        if len(grads) == options.get("accumulate", 1):
            for path, w in network.parameters.items():
                w -= np.float32(0.1) * np.mean([g[path] for g in grads], axis=0)
            grads = []
    return network


@pytest.mark.parametrize("accumulate", [1, 3])
def test_equals_the_loop_written_out(accumulate: int) -> None:
    network = build_network_from_json(LAYERS, seed=1)
    config = SteppingConfig(learning_rate=0.1, accumulation_steps=accumulate)
    train_with_stepping(network, config, lambda tick: DATA[tick % 3], 32)
    expected = by_hand(30, accumulate=accumulate)
    for path, a in network.parameters.items():
        np.testing.assert_allclose(a, expected.parameters[path], rtol=1e-5, atol=1e-7)


def test_shuffle_repeats_with_its_seed() -> None:
    results = []
    for seed in (1, 1, 2):
        network = build_network_from_json(LAYERS, seed=0)
        config = {"Shuffle": True, "Seed": seed, "Hold": 2, "LearningRate": 0.1, "LogEvery": 10}
        results.append(network.train_with_stepping(config, DATA, 100).loss_history)
    assert results[0] == results[1] != results[2]


def test_scaling_and_buffers_are_choices() -> None:
    losses = []
    for options in ({}, {"Scaling": "softmax"}, {"Buffers": "latest"}, {"Recurrent": "carry"}, {"Delay": 1}):
        network = build_network_from_json(LAYERS, seed=0)
        losses.append(network.train_with_stepping({"LearningRate": 0.1, **options}, DATA, 200).final_loss)
    assert len(set(losses)) == 5


def test_can_be_closed_between_updates() -> None:
    network = build_network_from_json(LAYERS, seed=0)
    steps = stepping_steps(network, {"LogEvery": 10}, DATA, 1000)
    progress = next(steps)
    assert progress is not None
    assert (progress.step, progress.to_json()["step"]) == (10, 10)
    steps.close()
    assert network.training_state.step == 8  # ten ticks, the first target due in the third


@pytest.mark.parametrize(
    ("config", "data", "total", "message"),
    [
        ({"Hold": 0}, DATA, 100, "Hold"),
        ({"Learningrat": 1}, DATA, 100, "Learningrat"),
        ({"LossType": "mze"}, DATA, 100, "mze"),
        ({"Optimizer": "adamx"}, DATA, 100, "adamx"),
        ({"Recurrent": "no"}, DATA, 100, "Recurrent"),
        ({}, DATA, 2, "too few"),
        ({}, [], 100, "no samples"),
        ({}, [{"Input": [1, 2, 3, 4], "Target": [1]}], 100, "expected 3 values, got 1"),
        ({}, [{"Input": [1, 2], "Target": [1, 0, 0]}], 100, "takes 4 values, got 2"),
        ({}, [*DATA, {"Input": [1, 2], "Target": [1, 0, 0]}], 100, r"data\[3\].Input: expected 4 values, got 2"),
        ({}, [*DATA, {"Input": [1, 2, 3, 4], "Target": []}], 100, r"data\[3\].Target: expected 3 values, got 0"),
        ({}, [{"Input": [1, 2, 3, float("nan")], "Target": [1, 0, 0]}], 100, "NaN"),
        ({"LossType": "bce"}, [{"Input": [1, 2, 3, 4], "Target": [2, 0, 0]}], 100, "no target for bce"),
    ],
)
def test_wrong_calls_change_nothing(config: Any, data: Any, total: int, message: str) -> None:
    network = build_network_from_json(LAYERS, seed=0)
    before = {path: a.copy() for path, a in network.parameters.items()}
    with pytest.raises((InputError, ConfigError), match=message):
        network.train_with_stepping(config, data, total)
    assert all(np.array_equal(a, before[path]) for path, a in network.parameters.items())


def test_divergence_is_an_error() -> None:
    network = build_network_from_json(
        {"layers": [{"type": "dense", "input_size": 4, "output_size": 3, "activation": "linear"}]}, seed=0
    )
    data = [{"Input": [100, 100, 100, 100], "Target": [1, 0, 0]}]
    with np.errstate(all="ignore"), pytest.raises(InputError, match="loss is"):
        network.train_with_stepping({"LearningRate": 10.0}, data, 5000)


def test_a_function_is_called_once_per_tick() -> None:
    network = build_network_from_json(LAYERS, seed=0)
    ticks: list[int] = []

    def sample(tick: int) -> Any:
        ticks.append(tick)
        return DATA[tick % 3]

    train_with_stepping(network, None, sample, 20)
    assert ticks == list(range(20))
