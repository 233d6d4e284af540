"""Accumulation, clipping, early stopping, callbacks, checkpoints and progress."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import pytest

from loom_py import Network, TrainingConfig, build_network_from_json, load_model_from_string
from loom_py.errors import Cancelled, ConfigError
from loom_py.runtime import numpy_ops
from loom_py.training.early_stopping import EarlyStopping
from loom_py.training.loop import training_steps
from loom_py.training.optimisers import AdamW
from loom_py.training.result import TrainingProgress
from loom_py.training.schedulers import CosineAnnealing

LAYERS = [
    {"type": "dense", "input_size": 4, "output_size": 6, "activation": "tanh"},
    {"type": "lstm", "hidden_size": 3},
    {"type": "dense", "output_size": 2, "activation": "sigmoid"},
]
RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(12, 4)).round(2), RNG.uniform(0.1, 0.9, (12, 2)).round(2)


def build(seed: int = 1) -> Network:
    return build_network_from_json({"layers": LAYERS}, seed=seed)


def batches(*sizes: int) -> list[dict[str, Any]]:
    ends = np.cumsum(sizes)
    return [{"Input": X[e - n : e].tolist(), "Target": T[e - n : e].tolist()} for e, n in zip(ends, sizes, strict=True)]


def assert_close(a: Network, b: Network, tolerance: float = 1e-6) -> None:
    for path, w in a.parameters.items():
        np.testing.assert_allclose(w, b.parameters[path], atol=tolerance, err_msg=path)


# --- accumulation ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("sizes", [(3, 3, 3, 3), (1, 5, 2, 4), (12,)])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_accumulated_batches_are_one_big_batch(sizes: tuple[int, ...], optimizer: str) -> None:
    config = {"Epochs": 5, "LearningRate": 0.1, "Optimizer": optimizer, "GradientClip": 0.05}
    whole, parts = build(), build()
    whole.train(batches(12), config)
    result = parts.train(batches(*sizes), {**config, "AccumulationSteps": 4})
    assert result.steps == 5
    assert_close(whole, parts, 1e-5)


def test_a_last_group_may_be_short() -> None:
    network, by_hand = build(), build()
    result = network.train(batches(2, 2, 2), {"Epochs": 1, "LearningRate": 0.1, "AccumulationSteps": 2})
    assert result.steps == 2
    both = {"Input": X[:4].tolist(), "Target": T[:4].tolist()}
    last = {"Input": X[4:6].tolist(), "Target": T[4:6].tolist()}
    by_hand.train([both, last], {"Epochs": 1, "LearningRate": 0.1})
    assert_close(network, by_hand)


# --- clipping -------------------------------------------------------------------------------------------------------
def test_clipping_by_value_comes_before_the_norm() -> None:
    grads = [np.array([3.0, -0.5]), np.array([[-4.0]])]
    numpy_ops.clip_by_value(grads, 1.0)
    np.testing.assert_array_equal(grads[0], [1.0, -0.5])
    np.testing.assert_array_equal(grads[1], [[-1.0]])
    network = build()
    config = {"Epochs": 1, "LearningRate": 1.0, "GradientClipValue": 1e-4, "GradientClip": 1e3}
    before = {path: a.copy() for path, a in network.parameters.items()}
    progress = next(training_steps(network, batches(12), config))
    moved = np.concatenate([(a - before[path]).ravel() for path, a in network.parameters.items()])
    assert np.abs(moved).max() == pytest.approx(1e-4, rel=1e-2)
    assert progress.gradient_norm == pytest.approx(np.linalg.norm(moved), rel=1e-2)


@pytest.mark.parametrize("clip", [0.0, 1e-3, 1e3])
def test_the_reported_norm_is_the_one_before_clipping(clip: float) -> None:
    network = build()
    network.backward(2 * (network.forward(X) - T) / T.size)
    norm = np.sqrt(sum((g**2).sum() for g in network.gradients.values()))
    progress = next(training_steps(network, batches(12), {"Epochs": 1, "GradientClip": clip}))
    assert progress.gradient_norm == pytest.approx(norm, rel=1e-5)


# --- early stopping -------------------------------------------------------------------------------------------------
def test_patience_counts_epochs_without_enough_progress() -> None:
    config = {"Epochs": 50, "LearningRate": 0.0, "EarlyStopping": {"Patience": 3}}
    result = build().train(batches(12), config)
    assert len(result.loss_history) == 4  # the first is the best; three more are not better
    assert (result.stopped_early, result.stop_reason, result.best_epoch) == (True, "early stopping", 1)
    learning = {**config, "LearningRate": 0.1}
    assert len(build().train(batches(12), learning).loss_history) == 50
    demanding = {**learning, "EarlyStopping": {"Patience": 3, "MinDelta": 1.0}}
    assert len(build().train(batches(12), demanding).loss_history) == 4


def test_restoring_the_best_epoch() -> None:
    """With a rate that is far too large the best epoch is an early one; its checkpoint is restored."""
    config = {
        "Epochs": 30,
        "LearningRate": 40.0,
        "Optimizer": {"Type": "sgd", "Momentum": 0.9},
        "CheckpointEveryN": 1,
        "EarlyStopping": {"Patience": 4, "RestoreBest": True},
    }
    network = build()
    steps = training_steps(network, batches(6, 6), config)
    events: list[TrainingProgress] = []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as stop:
            result = stop.value
            break
    assert result.stop_reason == "early stopping"
    assert result.best_epoch == min(events, key=lambda e: e.loss).epoch < len(events)
    assert network.save_model_to_string("model") == events[result.best_epoch - 1].checkpoint


def test_monitoring_validation() -> None:
    config = {
        "Epochs": 40,
        "LearningRate": 0.0,
        "EvaluateEveryN": 2,
        "ValidationInputs": X.tolist(),
        "ValidationTargets": [1.0] * 12,
        "EarlyStopping": {"Patience": 2, "Monitor": "validation_score"},
    }
    events = list(training_steps(build(), batches(12), config))
    assert [e.epoch for e in events if e.validation_score is not None] == [2, 4, 6]
    assert len(events) == 6


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 0},
        {"min_delta": -1.0},
        {"min_delta": np.nan},
        {"monitor": "x"},
        {"patience": "3"},
        {"patience": 1.5},
        {"min_delta": None},
        {"restore_best": "no"},
    ],
)
def test_wrong_rules(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"EarlyStopping\."):
        EarlyStopping(**options)


# --- callbacks, checkpoints, progress -------------------------------------------------------------------------------
def test_callbacks_see_every_epoch_and_can_stop() -> None:
    seen: list[TrainingProgress] = []
    config = TrainingConfig(
        epochs=20,
        learning_rate=0.1,
        optimizer=AdamW(weight_decay=0.0),
        scheduler=CosineAnnealing(learning_rate=0.1, steps=20),
        callbacks=[seen.append, lambda p: p.epoch == 7],
    )
    result = build().train(batches(6, 6), config)
    assert [p.epoch for p in seen] == list(range(1, 8))
    assert [p.loss for p in seen] == result.loss_history
    assert [p.learning_rate for p in seen] == result.lr_history
    assert [p.step for p in seen] == [2 * e for e in range(1, 8)]
    assert all(p.gradient_norm > 0 for p in seen)
    assert result.stop_reason == "callback"


def test_a_callback_that_raises_leaves_whole_epochs() -> None:
    def stop(progress: TrainingProgress) -> None:
        if progress.epoch == 3:
            raise Cancelled("enough")

    stopped, three = build(), build()
    with pytest.raises(Cancelled):
        stopped.train(batches(6, 6), TrainingConfig(epochs=9, callbacks=[stop]))
    three.train(batches(6, 6), TrainingConfig(epochs=3))
    assert_close(stopped, three, 0)


def test_checkpoints_go_to_the_callback() -> None:
    kept: list[tuple[int, str]] = []
    config = TrainingConfig(epochs=5, checkpoint_every_n=2, on_checkpoint=lambda text, p: kept.append((p.epoch, text)))
    network = build()
    network.model_id = "mine"
    events = list(training_steps(network, batches(12), config))
    assert [epoch for epoch, _ in kept] == [2, 4]
    assert all(e.checkpoint is None for e in events)
    assert load_model_from_string(kept[1][1], "mine").training_state.epoch == 4


def test_events_are_plain_json() -> None:
    config = {"Epochs": 2, "CheckpointEveryN": 2}
    first, second = (p.to_json() for p in training_steps(build(), batches(12), config))
    assert set(first) == {"epoch", "epochs", "loss", "step", "learning_rate", "gradient_norm", "epoch_done"}
    assert set(second) == {*first, "checkpoint"}


def test_a_bar_is_drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    build().train(batches(12), TrainingConfig(epochs=3, progress=True))
    assert "training" in screen.getvalue()
    monkeypatch.setattr(sys, "stderr", quiet := io.StringIO())
    build().train(batches(12), TrainingConfig(epochs=3, progress=True))
    assert quiet.getvalue() == ""


def test_native_options_are_checked_too() -> None:
    wrong: list[dict[str, Any]] = [{"epochs": 0}, {"accumulation_steps": 0}, {"loss_type": "x"}, {"optimizer": "x"}]
    for options in wrong:
        with pytest.raises(ConfigError, match=r"config\."):
            build().train(batches(12), TrainingConfig(**options))
