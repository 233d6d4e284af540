"""Training from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loom_py import load_model_from_string

from .conftest import EXAMPLES, JOB, Run, write


def test_train(run: Run, tmp_path: Path) -> None:
    saved = tmp_path / "bundle.json"
    status, out, _ = run("train", EXAMPLES / "grid_scatter.json", "--seed", 1, "--output", saved, "--json")
    report = json.loads(out)
    assert status == 0
    assert report["FinalLoss"] < 0.002
    assert report["seed"] == 1
    assert report["evaluation"]["score"] == 100
    network = load_model_from_string(saved.read_text(), "model")
    assert network.forward([0.2] * 4 + [0.8] * 4)[0, 0] > 0.9
    status, out, _ = run("train", EXAMPLES / "grid_scatter.json", "--epochs", 3, "--learning-rate", 0.1)
    assert "(3 epochs)" in out
    assert "Quality Score" in out


def test_train_refuses(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"layers": [{"type": "dense", "input_size": 1, "output_size": 1}]}')
    status, _, err = run("train", path)
    assert status == 1
    assert "there are no batches" in err
    (tmp_path / "data.json").write_text('[{"Input": [1], "Target": [1]}]')
    assert run("train", path, "--data", tmp_path / "data.json", "--epochs", 2)[0] == 0
    status, _, err = run("train", tmp_path / "none.json", "--json")
    assert status == 1
    assert "none.json" in err
    path.write_text("{nope")
    assert "c.json at byte 1" in run("train", path)[2]
    path.write_text('{"network": {}, "batchs": []}')
    assert "c.json: batchs: unknown key 'batchs'. Did you mean 'batches'?" in run("train", path)[2]
    path.write_text("[]")
    assert "c.json: expected an object, got an array" in run("train", path)[2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"training": [1]}, "c.json: training: expected an object, got an array"),
        ({"training": "x"}, "c.json: training: expected an object, got a string"),
        ({"training": 5}, "c.json: training: expected an object, got a number"),
        ({"training": {"learning_rate": -1}}, "c.json: training.learning_rate: -1 must be at least 0"),
        ({"evaluation": {"inputs": 5, "expected": 3}}, "c.json: evaluation.inputs: expected an array, got a number"),
        ({"evaluation": {"inputs": [[1]], "expected": [True]}}, "c.json: evaluation.expected[0]: expected a number"),
        ({"evaluation": []}, "c.json: evaluation: expected an object"),
        ({"network": "x"}, "c.json: network: expected an object, got a string"),
        ({"network": {"layers": [{"type": "denze"}]}}, "c.json: network.layers[0].type: "),
        ({"batches": 3}, "c.json: batches: expected an array, got a number"),
        ({"batches": []}, "c.json: batches: there is nothing to train on"),
        ({"batches": [{"Input": [1], "Target": [1, 2]}]}, "c.json: batches[0].Target: expected 1 values, got 2"),
        ({"batches": [{"Input": [1]}]}, "c.json: batches[0].Target: missing"),
        (
            {"training": {"ValidationInputs": [[1, 2]], "ValidationTargets": [1]}},
            "c.json: training.ValidationInputs[0]",
        ),
    ],
)
def test_train_names_the_place_in_the_file(run: Run, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    saved = tmp_path / "out.json"
    status, out, err = run("train", write(tmp_path / "c.json", JOB | change), "--json", "--output", saved)
    assert status == 1
    assert f"{tmp_path}/{message}" in err
    error = json.loads(out)["error"]
    assert f"{tmp_path}/{message}" in f"{error['where']}: {error['message']}"
    assert not saved.exists()


def test_train_names_a_place_in_the_data_file(run: Run, tmp_path: Path) -> None:
    data = write(tmp_path / "data.json", [{"Input": [1], "Target": ["x"]}])
    assert f"{data}: [0].Target[0]: " in run("train", write(tmp_path / "c.json", JOB), "--data", data)[2]
    no_array = write(tmp_path / "no_array.json", {"Input": [1]})
    message = run("train", write(tmp_path / "c.json", JOB), "--data", no_array)[2]
    assert f"{no_array}: expected an array, got an object" in message
    bare = write(tmp_path / "bare.json", {"layers": [{"type": "denze"}]})
    assert f"{bare}: layers[0].type: " in run("train", bare, "--data", data)[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "-1"], "--seed: -1 must be at least 0"),
        (["--epochs", "0"], "--epochs: 0 must be at least 1"),
        (["--learning-rate", "nan"], "--learning-rate: expected a finite number, got nan"),
        (["--output", "."], "--output .: is a directory"),
        (["--output", "no/where/x.json"], "does not exist"),
        (["--output", ""], "no file name"),
    ],
)
def test_train_checks_its_options_first(run: Run, tmp_path: Path, options: list[str], message: str) -> None:
    endless = write(tmp_path / "c.json", JOB | {"training": {"Epochs": 10**8}})
    status, _, err = run("train", endless, *options)
    assert status == 1
    assert message in err


@pytest.mark.parametrize("key", ["learning_rate", "LearningRate", "learningRate", "LEARNING_RATE"])
def test_an_option_replaces_the_file_s_however_it_is_spelt(run: Run, tmp_path: Path, key: str) -> None:
    path = write(tmp_path / "c.json", JOB | {"training": {"Epochs": 2, key: 0.1}})
    status, out, err = run("train", path, "--learning-rate", 0.2, "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["LRHistory"] == [0.2, 0.2]


def test_json_stays_json_with_verbose_training(run: Run, tmp_path: Path) -> None:
    chatty = JOB | {"training": {"Epochs": 2, "Verbose": True, "PrintEveryBatch": 1}}
    status, out, err = run("train", write(tmp_path / "c.json", chatty), "--json")
    assert status == 0
    assert json.loads(out)["Steps"] == 2
    assert "Epoch 2/2 - Batch 1/1" in err
    assert "Epoch 2/2 - Avg Loss" in run("train", tmp_path / "c.json")[1]
