"""Every fault in the data or the options is reported before training changes anything."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loom_py import Network, TrainingConfig, build_network_from_json
from loom_py.errors import ConfigError, InputError
from loom_py.training.evaluation import DeviationMetrics, evaluate_model
from loom_py.training.loop import training_steps

EMBEDDING = {"type": "embedding", "vocab_size": 3, "embedding_size": 2}
DENSE = {"type": "dense", "input_size": 1, "output_size": 1}
PAIRS: Any = [([1], [1])]


def build(*layers: dict[str, Any]) -> Network:
    return build_network_from_json({"layers": list(layers)}, seed=1)


def untouched(network: Network, batches: Any, config: Any, message: str, error: type[Exception] = InputError) -> None:
    """Training fails with the message and leaves weights and training state as they were."""
    before = network.save_model_to_string("m")
    with pytest.raises(error, match=message):
        network.train(batches, config)
    assert network.training_state.fresh
    assert network.save_model_to_string("m") == before


@pytest.mark.parametrize(
    "layers",
    [
        [EMBEDDING],
        [{"type": "sequential", "branches": [EMBEDDING]}],
        [{"type": "parallel", "combine_mode": "concat", "branches": [EMBEDDING]}],
    ],
)
@pytest.mark.parametrize("bad", [7, -1, 0.5])
def test_token_ids_of_every_batch_are_checked_first(layers: list[dict[str, Any]], bad: float) -> None:
    batches = [([1], [1, 1]), ([bad], [1, 1])]
    untouched(build(*layers), batches, {"Epochs": 1}, r"^batches\[1\]\.Input: .* is not a token id below 3")


def test_a_nan_is_no_token_id_either() -> None:
    untouched(build(EMBEDDING), [([math.nan], [1, 1])], None, r"^batches\[0\]\.Input: contains NaN")


def test_an_input_that_a_layer_cannot_split_is_named_by_its_batch() -> None:
    attention = {"type": "multi_head_attention", "d_model": 4, "num_heads": 2}
    batches = [([1.0] * 4, [0.0] * 4), ([1.0] * 6, [0.0] * 6)]
    untouched(build(attention), batches, None, r"^batches\[1\]\.Input: ")


def test_validation_tokens_are_checked_first() -> None:
    config = {"EvaluateEveryN": 1, "ValidationInputs": [[1], [9]], "ValidationTargets": [0, 0]}
    untouched(build(EMBEDDING), [([1], [1, 1])], config, r"^config\.ValidationInputs\[1\]: 9 is not a token id")


@pytest.mark.parametrize("nested", [False, True])
def test_a_cache_is_refused_before_anything_changes(nested: bool) -> None:
    attention = {"type": "multi_head_attention", "d_model": 4, "num_heads": 2, "cache_length": 8}
    layer = {"type": "sequential", "branches": [attention]} if nested else attention
    path = r"layers\[0\]\.layers\[0\]" if nested else r"layers\[0\]"
    config = {"Epochs": 1, "Optimizer": "adamw", "Scheduler": "cosine"}
    untouched(build(layer), [([1.0] * 4, [0.0] * 4)], config, rf"^{path}\.cache_length: ")


# --- checkpoints ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "message"), [("", "is a directory"), ("a\0b", "null"), ("no/x.json", "no such dir")])
def test_places_that_cannot_hold_a_checkpoint(tmp_path: Path, name: str, message: str) -> None:
    config = {"Epochs": 1, "CheckpointPath": f"{tmp_path}/{name}"}
    untouched(build(DENSE), PAIRS, config, rf"config\.CheckpointPath: .*{message}", ConfigError)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    place = tmp_path / "there"
    place.mkdir()
    steps = training_steps(build(DENSE), PAIRS, {"Epochs": 2, "CheckpointPath": str(place / "c.json")})
    next(steps)
    (place / "c.json").unlink()
    (place / "c.json").mkdir()
    with pytest.raises(InputError, match=r"there/c\.json: cannot be written"):
        next(steps)
    assert [p.name for p in place.iterdir()] == ["c.json"]


def test_a_checkpoint_path_may_be_a_path(tmp_path: Path) -> None:
    config = TrainingConfig(epochs=1, checkpoint_path=tmp_path / "{epoch}.json")  # type: ignore[arg-type]
    build(DENSE).train(PAIRS, config)
    assert [p.name for p in tmp_path.iterdir()] == ["1.json"]


# --- options from Python and from JSON ------------------------------------------------------------------------------
BAD: list[tuple[str, str, Any]] = [
    ("epochs", "Epochs", 0),
    ("epochs", "Epochs", 1.5),
    ("epochs", "Epochs", "5"),
    ("initial_epoch", "InitialEpoch", -1),
    ("learning_rate", "LearningRate", -1),
    ("learning_rate", "LearningRate", math.nan),
    ("loss_type", "LossType", 3),
    ("huber_delta", "HuberDelta", 0),
    ("gradient_clip", "GradientClip", -1),
    ("gradient_clip_value", "GradientClipValue", -0.5),
    ("accumulation_steps", "AccumulationSteps", 0),
    ("shuffle", "Shuffle", "yes"),
    ("seed", "Seed", -1),
    ("seed", "Seed", 2**32),
    ("evaluate_every_n", "EvaluateEveryN", -1),
    ("checkpoint_every_n", "CheckpointEveryN", -1),
    ("print_every_batch", "PrintEveryBatch", -1),
    ("verbose", "Verbose", 2),
]


@pytest.mark.parametrize(("name", "key", "value"), BAD)
def test_python_and_json_have_the_same_bounds(name: str, key: str, value: Any) -> None:
    untouched(build(DENSE), PAIRS, {key: value}, rf"^config\.{key}: ", ConfigError)
    untouched(build(DENSE), PAIRS, TrainingConfig(**{name: value}), rf"^config\.{key}: ", ConfigError)


def test_none_is_no_value() -> None:
    untouched(build(DENSE), PAIRS, TrainingConfig(epochs=None), r"^config\.Epochs: ", ConfigError)  # type: ignore[arg-type]


def test_numpy_numbers_are_numbers() -> None:
    config = TrainingConfig(epochs=np.int64(2), learning_rate=np.float32(0.5), shuffle=np.bool_(True))  # type: ignore[arg-type]
    assert len(build(DENSE).train(PAIRS, config).loss_history) == 2
    checked = config.check()
    assert [type(v) for v in (checked.epochs, checked.learning_rate, checked.shuffle)] == [int, float, bool]
    assert dataclasses.replace(checked, epochs=3).epochs == 3


# --- evaluation -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("bad", ["1", True, np.bool_(True), math.nan, math.inf, None, 10**400])
def test_what_is_expected_must_be_a_finite_number(bad: Any) -> None:
    with pytest.raises(InputError, match=r"^expected\[1\]: expected a "):
        build(DENSE).evaluate_network([[1], [1]], [0, bad])
    with pytest.raises(InputError, match=r"^expected\[1\]: expected a "):
        evaluate_model([0, bad], [0, 0])
    config = TrainingConfig(evaluate_every_n=1, validation_inputs=[[1]], validation_targets=[bad])  # type: ignore[list-item]
    untouched(build(DENSE), PAIRS, config, r"^config\.ValidationTargets\[0\]: expected a ")


@pytest.mark.parametrize(("inputs", "expected", "where"), [(5, [3], "inputs"), ([[1]], 3, "expected")])
def test_evaluation_data_are_arrays(inputs: Any, expected: Any, where: str) -> None:
    with pytest.raises(InputError, match=rf"^{where}: expected an array, got a number"):
        build(DENSE).evaluate_network(inputs, expected)


def test_saved_metrics_are_json_whatever_came_out(tmp_path: Path) -> None:
    metrics = evaluate_model([1, 2, 3], [math.inf, math.nan, 3])
    metrics.save_metrics(str(tmp_path / "m.json"))

    def refuse(word: str) -> None:
        raise AssertionError(word)

    record = json.loads((tmp_path / "m.json").read_text(), parse_constant=refuse)
    assert [r["actual"] for r in record["results"]] == [None, None, 3.0]
    again = DeviationMetrics.load_metrics(str(tmp_path / "m.json"))
    assert again.to_json() == metrics.to_json()
    with pytest.raises(InputError, match="cannot be read"):
        DeviationMetrics.load_metrics(str(tmp_path / "none.json"))
    with pytest.raises(InputError, match="cannot be written"):
        metrics.save_metrics(str(tmp_path))
