"""The training loop: results, reproducibility, stopping, and invalid data."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from loom_py import Network, TrainingConfig, build_network_from_json
from loom_py.errors import ConfigError, InputError
from loom_py.runtime import numpy_ops
from loom_py.training.loop import training_steps

from ..report import row


def build(grid_scatter: dict[str, Any], seed: int = 0) -> Network:
    return build_network_from_json(grid_scatter["network"], seed=seed)


@pytest.mark.parametrize("seed", range(10))
def test_grid_scatter_learns(grid_scatter: dict[str, Any], seed: int) -> None:
    network = build(grid_scatter, seed)
    result = network.train(grid_scatter["batches"], grid_scatter["training"])
    metrics = network.evaluate_network(grid_scatter["evaluation"]["inputs"], grid_scatter["evaluation"]["expected"])
    row("grid scatter, 800 epochs", f"seed {seed}: loss {result.loss_history[0]:.4f} → {result.final_loss:.6f}")
    assert 0.25 < result.loss_history[0] < 0.255
    assert result.final_loss < 0.002
    assert metrics.score == 100
    assert metrics.failures == 0
    assert len(metrics.get_samples_in_bucket("0-10%")) == 4


def test_result_has_the_original_s_fields(grid_scatter: dict[str, Any]) -> None:
    result = build(grid_scatter).train(grid_scatter["batches"], {**grid_scatter["training"], "Epochs": 3})
    record = result.to_json()
    six = ["FinalLoss", "BestLoss", "TotalTime", "AvgThroughput", "LossHistory", "EvalMetrics"]
    assert list(record) == [*six, "LRHistory", "Steps", "BestEpoch", "StoppedEarly", "StopReason"]
    assert record["FinalLoss"] == record["LossHistory"][-1]
    assert record["BestLoss"] == min(record["LossHistory"])
    assert len(record["LossHistory"]) == 3
    assert record["TotalTime"] > 0


def test_one_step_is_what_the_formulas_say() -> None:
    config = {"layers": [{"type": "dense", "input_size": 2, "output_size": 1, "activation": "linear"}]}
    network = build_network_from_json(config, seed=0)
    network.params[0] = {"kernel": np.array([[1.0], [2.0]], np.float32), "bias": np.array([0.5], np.float32)}
    result = network.train([{"Input": [1, 3], "Target": [5]}], {"Epochs": 1, "LearningRate": 0.01})
    # y = 7.5, loss = 2.5² = 6.25, dL/dy = 5, dW = [5, 15], db = 5
    assert result.final_loss == pytest.approx(6.25)
    np.testing.assert_allclose(network.params[0]["kernel"].ravel(), [0.95, 1.85], rtol=1e-6)
    np.testing.assert_allclose(network.params[0]["bias"], [0.45], rtol=1e-6)


def test_clipping_is_by_one_global_norm() -> None:
    grads = [np.array([3.0]), np.array([[4.0]])]
    assert numpy_ops.clip_by_norm(grads, 1.0) == pytest.approx(5.0)
    np.testing.assert_allclose([grads[0][0], grads[1][0, 0]], [0.6, 0.8])
    assert numpy_ops.clip_by_norm(grads, 2.0) == pytest.approx(1.0)
    np.testing.assert_allclose([grads[0][0], grads[1][0, 0]], [0.6, 0.8])


def test_a_batch_of_four_is_the_mean_of_four(grid_scatter: dict[str, Any]) -> None:
    batches = grid_scatter["batches"]
    x, t = [b["Input"] for b in batches], [b["Target"] for b in batches]
    whole, flat = build(grid_scatter), build(grid_scatter)
    training = {"Epochs": 2, "LearningRate": 0.1}
    one = whole.train([{"Input": x, "Target": t}], training)
    two = flat.train([{"Input": np.ravel(x), "Target": np.ravel(t)}], training)
    assert one.loss_history == two.loss_history
    singles = [build(grid_scatter).train([b], {"Epochs": 1, "LearningRate": 1e-9}).final_loss for b in batches]
    assert one.loss_history[0] == pytest.approx(np.mean(singles), rel=1e-6)


def test_every_parameter_moves(grid_scatter: dict[str, Any]) -> None:
    config = json.loads(json.dumps(grid_scatter["network"]).replace('"seq_length": 1', '"seq_length": 2'))
    for branch in config["layers"][1]["branches"][1:]:
        branch["input_size"] = 8  # two steps of eight: from zero state a single step never uses the recurrent weights
    config["layers"][1]["branches"][0]["branches"][0]["output_size"] = 8
    config["layers"][2]["input_size"] = 40
    network = build_network_from_json(config, seed=0)
    before = {path: a.copy() for path, a in network.parameters.items()}
    network.train(grid_scatter["batches"], {"Epochs": 2, "LearningRate": 0.1})
    assert [path for path, a in network.parameters.items() if np.array_equal(a, before[path])] == []


def test_same_seed_same_run(grid_scatter: dict[str, Any]) -> None:
    runs = [build(grid_scatter, 7).train(grid_scatter["batches"], {"Epochs": 20}).loss_history for _ in range(2)]
    assert runs[0] == runs[1]


def test_stopping_keeps_whole_epochs(grid_scatter: dict[str, Any]) -> None:
    stopped, full = build(grid_scatter, 1), build(grid_scatter, 1)
    training = {"Epochs": 50, "LearningRate": 0.15}
    steps = training_steps(stopped, grid_scatter["batches"], training)
    seen = [next(steps) for _ in range(5)]
    steps.close()
    full.train(grid_scatter["batches"], {**training, "Epochs": 5})
    assert [p.epoch for p in seen] == [1, 2, 3, 4, 5]
    for path, a in stopped.parameters.items():
        np.testing.assert_array_equal(a, full.parameters[path])


def test_validation_runs_without_verbose(grid_scatter: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    evaluation = grid_scatter["evaluation"]
    config = {
        "Epochs": 4,
        "EvaluateEveryN": 2,
        "ValidationInputs": evaluation["inputs"],
        "ValidationTargets": evaluation["expected"],
    }
    result = build(grid_scatter).train(grid_scatter["batches"], config)
    assert result.eval_metrics is not None
    assert result.eval_metrics.total_samples == 4
    assert capsys.readouterr().out == ""
    build(grid_scatter).train(grid_scatter["batches"], {**config, "Verbose": True, "PrintEveryBatch": 2})
    out = capsys.readouterr().out
    assert out.count("Avg Loss") == 4
    assert out.count("Validation Score") == 2
    assert out.count("- Batch 2/4 -") == 4


def test_keys_in_any_case() -> None:
    config = TrainingConfig.from_json({"epochs": 3, "learning_rate": 0.5, "GRADIENTCLIP": 2})
    assert (config.epochs, config.learning_rate, config.gradient_clip) == (3, 0.5, 2.0)
    assert TrainingConfig() == TrainingConfig.from_json({})


@pytest.mark.parametrize(
    ("batches", "config", "message"),
    [
        ([], None, "batches: there is nothing to train on"),
        ([{"Input": [1.0] * 8}], None, r"batches\[0\].Target: missing"),
        ([{"Input": [1.0] * 8, "Target": [1.0]}], None, r"batches\[0\].Target: expected 2 values, got 1"),
        ([{"Input": [1.0] * 7, "Target": [1, 0]}], None, r"batches\[0\].Input: expected a multiple of 8"),
        ([{"Input": ["x"] * 8, "Target": [1, 0]}], None, r"batches\[0\].Input\[0\]: expected a number, got a string"),
        ([{"Input": [float("nan")] * 8, "Target": [1, 0]}], None, r"batches\[0\].Input: contains NaN"),
        (
            [{"Input": [1.0] * 8, "Target": [1, 0], "Taget": 1}],
            None,
            r"batches\[0\].Taget: unknown key 'Taget'. Did you mean 'Target'",
        ),
        ([3], None, r"batches\[0\]: expected an object"),
        (None, {"Epochs": 0}, "config.Epochs: 0 must be at least"),
        (None, {"Epochs": "many"}, "config.Epochs: expected a whole number"),
        (None, {"LearningRate": float("inf")}, "config.LearningRate: expected a finite number"),
        (None, {"GradientClip": -1}, "config.GradientClip: -1 must be at least 0"),
        (None, {"LossType": "mce"}, "config.LossType: unknown loss 'mce'. Did you mean 'mse'"),
        (None, {"Epoch": 3}, "config.Epoch: unknown key 'Epoch'. Did you mean 'Epochs'"),
        (None, {"epochs": 3, "Epochs": 4}, "config.Epochs: the same key as 'epochs'"),
        (None, {"InitialEpoch": 10}, "config.InitialEpoch: 10 of 10 epochs are done"),
        (None, {"HuberDelta": 0}, "config.HuberDelta: 0 must be above 0"),
        (None, {"Optimizer": "adam"}, "config.Optimizer.Type: unknown name 'adam'"),
        (None, {"Optimizer": {"Type": "sgd", "Momentum": 1}}, "config.Optimizer.Momentum: 1 must be"),
        (None, {"Scheduler": 3}, "config.Scheduler: expected a name or an object"),
        (None, {"Scheduler": {"Type": "cosine", "Steps": -1}}, "config.Scheduler.Steps: -1 must be at least"),
        (None, {"GradientClipValue": -1}, "config.GradientClipValue: -1 must be"),
        (None, {"AccumulationSteps": 0}, "config.AccumulationSteps: 0 must be at least"),
        (None, {"Shuffle": "yes"}, "config.Shuffle: expected true or false"),
        (None, {"Seed": -1}, "config.Seed: -1 must be at least"),
        (None, {"EarlyStopping": True}, "config.EarlyStopping: expected an object, got a boolean"),
        (None, {"EarlyStopping": {"Patience": 0}}, "config.EarlyStopping.Patience: 0 must be at least"),
        (None, {"EarlyStopping": {"Monitor": "lost"}}, "config.EarlyStopping.Monitor: unknown value 'lost'"),
        (None, {"EarlyStopping": {"Monitor": "validation_score"}}, "Monitor: no validation score is measured"),
        (None, {"CheckpointEveryN": -1}, "config.CheckpointEveryN: -1 must be at least"),
        (None, {"CheckpointPath": "/nowhere/at/all/m.json"}, "config.CheckpointPath: no such directory"),
        (None, {"ValidationInputs": 3}, "config.ValidationInputs: expected an array, got a number"),
        (
            None,
            {"EvaluateEveryN": 1, "ValidationInputs": [[1.0] * 8, [1.0]], "ValidationTargets": [0, 0]},
            r"config.ValidationInputs\[1\]: expected 8 values, got 1",
        ),
        (
            None,
            {"EvaluateEveryN": 1, "ValidationInputs": [[1.0] * 8], "ValidationTargets": ["x"]},
            r"config.ValidationTargets\[0\]: expected a number, got a string",
        ),
        (None, {"EvaluateEveryN": 1, "ValidationInputs": [[1.0] * 8]}, "1 validation inputs but 0 targets"),
    ],
)
def test_wrong_data_changes_nothing(grid_scatter: dict[str, Any], batches: Any, config: Any, message: str) -> None:
    network = build(grid_scatter)
    before = network.save_model_to_string("m")
    good = grid_scatter["batches"]
    with pytest.raises((InputError, ConfigError), match=message):
        network.train(good if batches is None else batches, config)
    assert network.save_model_to_string("m") == before


def test_divergence_is_reported(grid_scatter: dict[str, Any]) -> None:
    config = {"layers": [{"type": "dense", "input_size": 8, "output_size": 2, "activation": "linear"}]}
    network = build_network_from_json(config, seed=0)
    with np.errstate(all="ignore"), pytest.raises(InputError, match="Lower the learning rate"):
        network.train(grid_scatter["batches"], {"Epochs": 500, "LearningRate": 50.0})
