"""Stopping, saving, loading and continuing ends in the same bits as not stopping."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loom_py import Network, build_network_from_json, load_model_from_string
from loom_py.errors import ConfigError, FormatError
from loom_py.training.data import epoch_order
from loom_py.training.loop import training_steps

LAYERS = [
    {"type": "dense", "input_size": 4, "output_size": 6, "activation": "tanh"},
    {
        "type": "parallel",
        "combine_mode": "concat",
        "branches": [{"type": "lstm", "hidden_size": 3}, {"type": "dense", "output_size": 3, "activation": "gelu"}],
    },
    {"type": "softmax", "softmax_variant": "gumbel", "seed": 3},
    {"type": "dense", "output_size": 2, "activation": "sigmoid"},
]
BATCHES = [{"Input": [0.1 * i, 0.3, -0.2 * i, 1.0], "Target": [i % 2, 1 - i % 2]} for i in range(7)]
OPTIMIZERS: dict[str, Any] = {
    "sgd": None,
    "momentum": {"Type": "sgd", "Momentum": 0.9},
    "nesterov": {"Type": "sgd", "Momentum": 0.8, "Nesterov": True, "Dampening": 0.1},
    "adamw": "adamw",
    "rmsprop": "rmsprop",
    "rmsprop, momentum": {"Type": "rmsprop", "Momentum": 0.7},
}
SCHEDULES: dict[str, Any] = {
    "constant": None,
    "cosine over the run": "cosine",
    "warm-up, restarts": {"Type": "warmup", "Steps": 5, "After": {"Type": "cosine_restarts", "Period": 6}},
}


def weights(network: Network) -> dict[str, bytes]:
    return {path: a.tobytes() for path, a in network.parameters.items()}


def options(optimizer: str, schedule: str) -> dict[str, Any]:
    return {
        "Epochs": 6,
        "LearningRate": 0.02,
        "Shuffle": True,
        "Seed": 5,
        "GradientClip": 1.0,
        "AccumulationSteps": 2,
        "Optimizer": OPTIMIZERS[optimizer],
        "Scheduler": SCHEDULES[schedule],
        "CheckpointEveryN": 1,
    }


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resuming_from_every_checkpoint(optimizer: str, schedule: str) -> None:
    config = options(optimizer, schedule)
    straight = build_network_from_json({"layers": LAYERS}, seed=1)
    events = list(training_steps(straight, BATCHES, config))
    assert len(events) == 6
    for event in events[:-1]:
        assert event.checkpoint is not None
        resumed = load_model_from_string(event.checkpoint, "model")
        result = resumed.train(BATCHES, {**config, "InitialEpoch": event.epoch})
        assert result.loss_history == [e.loss for e in events[event.epoch :]]
        assert result.lr_history == [e.learning_rate for e in events[event.epoch :]]
        assert weights(resumed) == weights(straight)
        assert resumed.save_model_to_string("model") == events[-1].checkpoint


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_two_calls_are_one(optimizer: str) -> None:
    config = options(optimizer, "warm-up, restarts")
    once, twice = (build_network_from_json({"layers": LAYERS}, seed=1) for _ in range(2))
    once.train(BATCHES, config)
    for epochs in (2, 4):
        twice.train(BATCHES, {**config, "Epochs": epochs})
    assert weights(once) == weights(twice)


def test_a_cancelled_epoch_keeps_its_updates_and_is_run_again() -> None:
    """Closing between updates leaves a network as after that many updates."""
    config = {"Epochs": 3, "LearningRate": 0.1, "Optimizer": "adamw"}
    stopped, partial = (build_network_from_json({"layers": LAYERS}, seed=1) for _ in range(2))
    steps = training_steps(stopped, BATCHES, config, every_step=True)
    seen = [next(steps) for _ in range(4)]
    steps.close()
    assert [(p.step, p.epoch_done) for p in seen] == [(1, False), (2, False), (3, False), (4, False)]
    partial.train(BATCHES[:4], {**config, "Epochs": 1})
    assert weights(stopped) == weights(partial)
    assert stopped.training_state.step == 4
    assert stopped.training_state.epoch == 0


def test_every_step_reports_every_update() -> None:
    config = {"Epochs": 2, "AccumulationSteps": 3}
    network, other = (build_network_from_json({"layers": LAYERS}, seed=1) for _ in range(2))
    seen = list(training_steps(network, BATCHES, config, every_step=True))
    assert [p.step for p in seen] == [1, 2, 3, 4, 5, 6]
    assert [p.epoch_done for p in seen] == [False, False, True] * 2
    epochs = list(training_steps(other, BATCHES, config))
    assert [p.loss for p in seen if p.epoch_done] == [p.loss for p in epochs]
    assert weights(network) == weights(other)


def test_a_checkpoint_file(tmp_path: Path) -> None:
    network = build_network_from_json({"layers": LAYERS}, seed=1)
    config = {"Epochs": 5, "CheckpointEveryN": 2, "CheckpointPath": str(tmp_path / "epoch-{epoch}.json")}
    events = list(training_steps(network, BATCHES, config))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["epoch-2.json", "epoch-4.json"]
    assert all(e.checkpoint is None for e in events)
    loaded = load_model_from_string((tmp_path / "epoch-4.json").read_text(), "model")
    loaded.train(BATCHES, {**config, "InitialEpoch": 4})
    assert weights(loaded) == weights(network)
    with pytest.raises(ConfigError, match=r"config.CheckpointPath: no such directory"):
        network.train(BATCHES, {"CheckpointPath": str(tmp_path / "nowhere" / "m.json")})


def test_shuffling_is_a_known_permutation() -> None:
    """The order is a contract: a resumed training on another device draws it too."""
    orders = [epoch_order(7, 5, epoch) for epoch in range(4)]
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert orders[0] == epoch_order(7, 5, 0) != epoch_order(7, 6, 0)
    first = [epoch_order(20, 0, epoch)[0] for epoch in range(2000)]
    assert all(60 < first.count(i) < 140 for i in range(20))  # uniform: 100 ± 10


def test_shuffling_changes_the_order_not_the_data() -> None:
    plain, shuffled = (build_network_from_json({"layers": LAYERS}, seed=1) for _ in range(2))
    still = {"Epochs": 1, "LearningRate": 0.0}
    assert plain.train(BATCHES, still).final_loss == pytest.approx(
        shuffled.train(BATCHES, {**still, "Shuffle": True}).final_loss, rel=0.2
    )
    moving = {"Epochs": 1, "LearningRate": 0.5}
    plain.train(BATCHES, moving)
    shuffled.train(BATCHES, {**moving, "Shuffle": True})
    assert weights(plain) != weights(shuffled)


def trained() -> dict[str, Any]:
    network = build_network_from_json({"layers": LAYERS[:1]}, seed=1)
    batches = [{"Input": [1, 2, 3, 4], "Target": [0] * 6}]
    network.train(batches, {"Epochs": 2, "Optimizer": "adamw", "Scheduler": {"Type": "step"}})
    return json.loads(network.save_model_to_string("m"))


def test_a_network_that_was_not_trained_has_no_training_key() -> None:
    network = build_network_from_json({"layers": LAYERS}, seed=1)
    assert "training" not in json.loads(network.save_model_to_string("m"))["models"][0]
    assert set(trained()["models"][0]) == {"id", "cfg", "weights", "training"}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ([], 7, ": expected an object, got a number"),
        (["fmt"], "x", "fmt: unknown value 'x'"),
        (["version"], 2, "version: unsupported version 2"),
        (["step"], -1, "step: -1 must be at least 0"),
        (["epoch"], "x", "epoch: expected a whole number, got a string"),
        (["optimizer"], None, "optimizer: expected an object, got null"),
        (["optimizer", "Type"], "x", "optimizer.Type: unknown name 'x'"),
        (["optimizer", "Beta1"], 3, "optimizer.Beta1: 3 must be"),
        (["optimizer"], {"Type": "sgd"}, "slots: SGD keeps nothing, got m, v"),
        (["scheduler", "Steps"], 0, "scheduler.Steps: 0 must be at least"),
        (["slots"], {}, "slots: AdamW keeps m, v, got nothing"),
        (["slots", "m"], [], "slots.m: expected an object, got an array"),
        (["slots", "m", "layers.0.kernel"], 1, r'slots.m\["layers.0.kernel"\]: expected a string'),
        (["slots", "m", "layers.0.kernel"], "%%", r'slots.m\["layers.0.kernel"\]: expected base64'),
        (
            ["slots", "m", "layers.0.kernel"],
            "AAAA",
            r'm\["layers.0.kernel"\]: expected 24 float32 values, got 3 bytes',
        ),
        (
            ["slots", "v", "layers.1.kernel"],
            "AAAA",
            r"slots.v\[.layers.1.kernel.\]: does not match the network's parameters",
        ),
    ],
)
def test_damaged_state_says_where(path: list[str], value: Any, message: str) -> None:
    bundle = trained()
    node: Any = bundle["models"][0]
    for key in ["training", *path][:-1]:
        node = node[key]
    node[["training", *path][-1]] = value
    with pytest.raises((FormatError, ConfigError), match=rf"models\[0\]\.training.*{message}"):
        load_model_from_string(json.dumps(bundle), "m")
