"""Learning-rate schedules: their formulas, their JSON, and how training counts their steps."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from loom_py import build_network_from_json, load_model_from_string
from loom_py.errors import ConfigError
from loom_py.training.schedulers import (
    KINDS,
    Constant,
    CosineAnnealing,
    CosineAnnealingWarmRestarts,
    ExponentialDecay,
    LinearDecay,
    PolynomialDecay,
    Scheduler,
    StepDecay,
    Warmup,
    read_scheduler,
)

COSINE = CosineAnnealing(learning_rate=1.0, min_learning_rate=0.2, steps=8)
EXAMPLES: list[tuple[Scheduler, dict[int, float]]] = [
    (Constant(learning_rate=0.3), {0: 0.3, 1000: 0.3}),
    (LinearDecay(learning_rate=1.0, final_learning_rate=0.2, steps=4), {0: 1.0, 1: 0.8, 3: 0.4, 4: 0.2, 9: 0.2}),
    (COSINE, {0: 1.0, 4: 0.6, 6: 0.2 + 0.4 * (1 + math.cos(0.75 * math.pi)), 8: 0.2, 99: 0.2}),
    (CosineAnnealingWarmRestarts(learning_rate=1.0, period=4), {0: 1.0, 2: 0.5, 4: 1.0, 6: 0.5, 7: 0.146446609}),
    (ExponentialDecay(learning_rate=1.0, rate=0.25, steps=10), {0: 1.0, 5: 0.5, 10: 0.25, 20: 0.0625}),
    (StepDecay(learning_rate=1.0, factor=0.5, steps=3), {0: 1.0, 2: 1.0, 3: 0.5, 8: 0.25}),
    (PolynomialDecay(learning_rate=1.0, final_learning_rate=0.1, steps=10, power=2), {0: 1.0, 5: 0.325, 10: 0.1}),
    (Warmup(learning_rate=1.0, start_learning_rate=0.2, steps=4), {0: 0.2, 1: 0.4, 4: 1.0, 99: 1.0}),
    (Warmup(learning_rate=1.0, steps=2, after=COSINE), {0: 0.0, 1: 0.5, 2: 1.0, 6: 0.6, 10: 0.2}),
]


def test_every_schedule_has_an_example() -> None:
    assert {type(s) for s, _ in EXAMPLES} == set(KINDS.values())


@pytest.mark.parametrize(("scheduler", "values"), EXAMPLES)
def test_formula_and_json(scheduler: Scheduler, values: dict[int, float]) -> None:
    assert {step: scheduler.lr(step) for step in values} == pytest.approx(values)
    again, spans_run = read_scheduler(json.loads(json.dumps(scheduler.to_json())), 9.0, 99)
    assert (again, spans_run) == (scheduler, False)


def test_names() -> None:
    assert Warmup(after=COSINE).name == "Warmup+CosineAnnealing"
    assert (Warmup().name, StepDecay().name) == ("Warmup", "StepDecay")


def test_what_is_left_out_follows_from_the_training() -> None:
    assert read_scheduler(None, 0.1, 50) == (Constant(learning_rate=0.1), False)
    assert read_scheduler("cosine", 0.1, 50) == (CosineAnnealing(learning_rate=0.1, steps=50), True)
    assert read_scheduler({"type": "linear", "steps": 7}, 0.1, 50) == (LinearDecay(learning_rate=0.1, steps=7), False)
    assert read_scheduler("step", 0.1, 50) == (StepDecay(learning_rate=0.1, steps=10_000), False)
    warmup, spans_run = read_scheduler({"Type": "warmup", "Steps": 10, "After": "linear"}, 0.1, 50)
    assert warmup == Warmup(learning_rate=0.1, steps=10, after=LinearDecay(learning_rate=0.1, steps=40))
    assert spans_run


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("cosin", "s.Type: unknown name 'cosin'. Did you mean 'cosine'"),
        ([], "s: expected a name or an object, got an array"),
        ({"Type": "cosine", "Steps": 0}, "s.Steps: 0 must be at least"),
        ({"Type": "cosine", "Steps": 1.5}, "s.Steps: expected a whole number"),
        ({"Type": "cosine", "Period": 3}, "s.Period: unknown key 'Period'"),
        ({"Type": "linear", "LearningRate": -1}, "s.LearningRate: -1 must be at least 0"),
        ({"Type": "polynomial", "Power": 0}, "s.Power: 0 must be above 0"),
        ({"Type": "warmup", "After": {"Type": "step", "Factor": 0}}, "s.After.Factor: 0 must be above 0"),
        ({"Type": "warmup", "After": "x"}, "s.After.Type: unknown name 'x'"),
    ],
)
def test_wrong_options(value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_scheduler(value, 0.1, 10, "s")


NETWORK = {"layers": [{"type": "dense", "input_size": 1, "output_size": 1, "activation": "tanh"}]}
BATCHES = [{"Input": [0.5], "Target": [0.1]}, {"Input": [-0.5], "Target": [0.3]}]


def test_steps_count_across_calls_and_files() -> None:
    config = {"Epochs": 2, "LearningRate": 0.1, "LRSchedule": {"Type": "linear", "Steps": 10}}
    network = build_network_from_json(NETWORK, seed=0)
    assert network.train(BATCHES, config).lr_history == pytest.approx([0.09, 0.07])
    network = load_model_from_string(network.save_model_to_string("m"), "m")
    result = network.train(BATCHES, config)
    assert result.lr_history == pytest.approx([0.05, 0.03])
    assert result.to_json()["LRHistory"] == result.lr_history
    other = {**config, "LRSchedule": {"Type": "linear", "Steps": 20}}
    assert network.train(BATCHES, other).lr_history == pytest.approx([0.095, 0.085])  # a new schedule starts at 0


def test_a_schedule_without_a_length_spans_the_call() -> None:
    config = {"Epochs": 2, "LearningRate": 0.1, "Scheduler": "linear"}
    network = build_network_from_json(NETWORK, seed=0)
    for _ in range(2):
        assert network.train(BATCHES, config).lr_history == pytest.approx([0.075, 0.025])
    assert network.train(BATCHES, {**config, "InitialEpoch": 1}).lr_history == pytest.approx([0.025])


def test_the_rate_is_what_moves_the_weights() -> None:
    """A schedule that is 0 for two updates leaves the weights unchanged for two updates."""
    config = {"Epochs": 1, "LearningRate": 0.0, "Scheduler": {"Type": "warmup", "LearningRate": 0.1, "Steps": 1}}
    network = build_network_from_json(NETWORK, seed=0)
    before = network.params[0]["kernel"].copy()
    network.train(BATCHES[:1], config)
    assert network.params[0]["kernel"] == before
    network.train(BATCHES[:1], config)
    assert network.params[0]["kernel"] != before
