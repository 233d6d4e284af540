"""Deviation metrics against their definition."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from loom_py import DeviationMetrics, build_network_from_json
from loom_py.errors import FormatError, InputError
from loom_py.training.evaluation import evaluate_prediction


@pytest.mark.parametrize(
    ("expected", "actual", "deviation", "bucket"),
    [
        (5, 1, 80.0, "50-100%"),
        (3, 7, 400 / 3, "100%+"),
        (2, 9, 350.0, "100%+"),
        (0, 0.25, 25.0, "20-30%"),
        (0, 0, 0.0, "0-10%"),
        (1, 1.1, 10.0, "10-20%"),  # 1.1 − 1 is a little above 0.1 in binary
        (4, 4.4, 10.0, "10-20%"),
        (2, 2.5, 25.0, "20-30%"),
        (-4, -2, 50.0, "40-50%"),
        (1, float("nan"), 100.0, "50-100%"),
        (1, float("inf"), 100.0, "50-100%"),
    ],
)
def test_prediction(expected: float, actual: float, deviation: float, bucket: str) -> None:
    result = evaluate_prediction(3, expected, actual)
    assert result.deviation == pytest.approx(deviation)
    assert result.bucket == bucket
    assert result.sample_index == 3


def metrics() -> DeviationMetrics:
    pairs = [(1.0, 1.0), (5.0, 1.0), (2.0, 9.0), (3.0, 3.1)]
    return DeviationMetrics(results=[evaluate_prediction(i, e, a) for i, (e, a) in enumerate(pairs)])


def test_summary_figures() -> None:
    m = metrics()
    deviations = [0, 80, 350, 10 / 3]
    assert m.score == pytest.approx(np.mean([100, 20, 0, 100 - 10 / 3]), rel=1e-6)
    assert m.average_deviation == pytest.approx(np.mean(deviations), rel=1e-6)
    assert m.failures == 1
    assert [r.sample_index for r in m.get_worst_samples(2)] == [2, 1]
    assert len(m.get_worst_samples(99)) == 4
    assert m.get_samples_in_bucket("0-10%") == [0, 3]
    text = m.summary()
    assert "Total Samples: 4" in text
    assert "   0-10%:    2 samples (50.0%) " + "█" * 25 in text
    with pytest.raises(InputError, match="unknown bucket '5%'"):
        m.get_samples_in_bucket("5%")


def test_json_both_ways(tmp_path: Path) -> None:
    m = metrics()
    record = m.to_json()
    assert set(record) == {"buckets", "score", "total_samples", "failures", "results", "avg_deviation"}
    assert record["buckets"]["100%+"] == {"range_min": 100, "range_max": 1e9, "count": 1, "samples": [2]}
    file = tmp_path / "m.json"
    m.save_metrics(str(file))
    assert DeviationMetrics.load_metrics(str(file)).to_json() == json.loads(file.read_text()) == record
    with pytest.raises(FormatError, match=r"metrics.results"):
        DeviationMetrics.from_json({"results": [{}]})


def test_prediction_is_the_value_or_the_class() -> None:
    one = build_network_from_json(
        {"layers": [{"type": "dense", "input_size": 2, "output_size": 1, "activation": "linear"}]}, seed=0
    )
    one.params[0] = {"kernel": np.array([[1.0], [1.0]], np.float32), "bias": np.zeros(1, np.float32)}
    assert one.evaluate_network([[1, 2], [3, 4]], [3, 7]).score == 100
    three = build_network_from_json(
        {"layers": [{"type": "dense", "input_size": 3, "output_size": 3, "activation": "linear"}]}, seed=0
    )
    three.params[0] = {"kernel": np.eye(3, dtype=np.float32), "bias": np.zeros(3, np.float32)}
    m = three.evaluate_network([[0, 0, 9], [5, 5, 0]], [2, 0])  # the first of equal maxima wins
    assert [r.actual for r in m.results] == [2, 0]
    with pytest.raises(InputError, match="mismatched inputs"):
        three.evaluate_network([[1, 2, 3]], [])
    with pytest.raises(InputError, match=r"inputs\[1\]: expected 3 values, got 2"):
        three.evaluate_network([[1, 2, 3], [1, 2]], [0, 0])
