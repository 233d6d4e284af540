"""Accuracy, confusion, precision, recall and F1 against counting by hand; evaluation of files and of given values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom_py import Network, build_network_from_json
from loom_py.errors import FormatError, InputError
from loom_py.training.classification import ClassificationReport
from loom_py.training.evaluation import evaluate_model
from loom_py.training.metrics import ComparisonResult, TrainingMetrics


def identity(size: int) -> Network:
    """A network that returns its input."""
    layers = [{"type": "dense", "input_size": size, "output_size": size, "activation": "linear"}]
    network = build_network_from_json({"layers": layers}, seed=0)
    network.params[0] = {"kernel": np.eye(size, dtype=np.float32), "bias": np.zeros(size, np.float32)}
    return network


def test_by_hand() -> None:
    report = ClassificationReport.from_classes([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2])
    assert report.confusion == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert report.accuracy == pytest.approx(4 / 6)
    assert [c.precision for c in report.classes] == pytest.approx([1, 1 / 2, 1 / 2])
    assert [c.recall for c in report.classes] == pytest.approx([2 / 3, 1 / 2, 1])
    assert [c.f1 for c in report.classes] == pytest.approx([4 / 5, 1 / 2, 2 / 3])
    assert [c.support for c in report.classes] == [3, 2, 1]
    assert report.macro.recall == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert report.weighted.precision == pytest.approx((3 * 1 + 2 * 0.5 + 1 * 0.5) / 6)
    assert report.weighted.support == 6
    text = report.summary()
    assert "           1     0.500   0.500   0.500        2" in text
    assert "Accuracy: 66.7% of 6 samples" in text
    assert text.endswith("2 1 0\n0 1 1\n0 0 1")
    record = json.loads(json.dumps(report.to_json()))
    assert record["confusion"] == report.confusion
    assert record["classes"][0] == {"precision": 1.0, "recall": pytest.approx(2 / 3), "f1": 0.8, "support": 3}


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40))
def test_identities(pairs: list[tuple[int, int]]) -> None:
    expected, actual = zip(*pairs, strict=True)
    report = ClassificationReport.from_classes(expected, actual, 5)
    assert report.total_samples == len(pairs)
    assert report.weighted.recall == pytest.approx(report.accuracy)
    for i, c in enumerate(report.classes):
        assert c.support == expected.count(i)
        assert c.precision * actual.count(i) == pytest.approx(c.recall * c.support)
        if c.precision + c.recall:
            assert c.f1 == pytest.approx(2 * c.precision * c.recall / (c.precision + c.recall))


def test_a_network_with_several_outputs() -> None:
    network = identity(3)
    inputs = [[1, 0, 0], [0, 2, 1], [5, 5, 0], [0, 0, 1]]
    by_number = network.evaluate_classification(inputs, [0, 1, 1, 2])
    one_hot = network.evaluate_classification(inputs, [[1, 0, 0], [0, 1, 0], [0, 1, 0], np.array([0, 0, 1])])
    assert by_number == one_hot
    assert by_number.confusion == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]  # the first of equal maxima wins


def test_a_network_with_one_output() -> None:
    report = identity(1).evaluate_classification([[0.2], [0.5], [0.9]], [0, 1, [0]])
    assert report.confusion == [[1, 1], [0, 1]]


@pytest.mark.parametrize(
    ("inputs", "classes", "message"),
    [
        ([], [], "inputs: there is nothing to evaluate"),
        ([[1, 2, 3]], [], r"mismatched inputs \(1\) vs classes \(0\)"),
        ([[1, 2]], [0], r"inputs\[0\]: expected 3 values, got 2"),
        ([[1, 2, "x"]], [0], r"inputs\[0\]\[2\]: expected a number, got a string"),
        ([[1, 2, 3]], [3], r"classes\[0\]: class 3 of a network with 3 classes"),
        ([[1, 2, 3]], [-1], r"classes\[0\]: -1 is not a class number"),
        ([[1, 2, 3]], [0.5], r"classes\[0\]: 0.5 is not a class number"),
        ([[1, 2, 3]], ["cat"], r"classes\[0\]: expected a class number or a one-hot vector, got a string"),
        ([[1, 2, 3]], [[0.2, 0.8, 0]], r"classes\[0\]: expected a one-hot vector"),
    ],
)
def test_wrong_data(inputs: Any, classes: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        identity(3).evaluate_classification(inputs, classes)


def test_given_values() -> None:
    metrics = evaluate_model([5, 0], [1, 0.25])
    assert [r.deviation for r in metrics.results] == [80, 25]
    with pytest.raises(InputError, match=r"mismatched expected \(1\) vs actual \(2\)"):
        evaluate_model([1], [1, 2])


def test_inputs_from_files(tmp_path: Path) -> None:
    network = identity(3)
    files = []
    for i, values in enumerate(([0, 0, 9], [5, 5, 0])):
        files.append(str(tmp_path / f"{i}.json"))
        Path(files[-1]).write_text(json.dumps(values))
    metrics, loading, predicting = network.evaluate_from_checkpoint_files(files, [2, 1])
    assert [r.actual for r in metrics.results] == [2, 0]
    assert loading > 0
    assert predicting > 0
    with pytest.raises(InputError, match=r"mismatched files \(2\)"):
        network.evaluate_from_checkpoint_files(files, [2])
    with pytest.raises(InputError, match=r"missing.json: cannot be read"):
        network.evaluate_from_checkpoint_files([str(tmp_path / "missing.json")], [2])
    Path(files[0]).write_text('{"a": 1}')
    with pytest.raises(FormatError, match=r"0.json: expected an array of numbers, got an object"):
        network.evaluate_from_checkpoint_files(files, [2, 1])
    Path(files[0]).write_text("[1, 2]")
    with pytest.raises(InputError, match=r"0.json: expected 3 values, got 2"):
        network.evaluate_from_checkpoint_files(files, [2, 1])


def test_which_way_is_best() -> None:
    def way(accuracy: float, loss: float) -> TrainingMetrics:
        return TrainingMetrics(accuracy=accuracy, loss=loss)

    assert ComparisonResult(name="none").determine_best() == ""
    closer = ComparisonResult(name="a", normal_bp=way(90, 0.2), step_bp=way(90.5, 0.3), step_tween=way(89.2, 0.1))
    assert closer.determine_best() == "step_tween"  # within a point of accuracy the smaller loss wins
    clear = ComparisonResult(name="b", normal_bp=way(90, 0.1), batch_tween=way(91.5, 0.9))
    assert clear.determine_best() == "batch_tween"
    assert clear.to_json()["batch_tween"]["accuracy"] == 91.5
