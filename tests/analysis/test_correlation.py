"""Correlation matrices against NumPy and against ranks counted one by one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom_py.analysis import average_ranks, pearson, spearman
from loom_py.errors import InputError


def table(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(50, 5)) @ rng.normal(size=(5, 5))
    x[:, 3] = np.round(x[:, 3])  # ties
    return x


def test_pearson_is_numpys() -> None:
    x = table(0)
    correlations = pearson(x)
    np.testing.assert_allclose(correlations.matrix, np.corrcoef(x.T), atol=1e-12)
    np.testing.assert_array_equal(correlations.std_devs, x.std(axis=0))
    np.testing.assert_allclose(pearson(x * 1e-200).matrix, correlations.matrix, atol=1e-12)
    np.testing.assert_allclose(pearson(x + 1e6).matrix, correlations.matrix, atol=1e-8)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=20))
def test_average_ranks_by_counting(values: list[int]) -> None:
    x = np.array(values, float)
    expected = [(x < v).sum() + ((x == v).sum() + 1) / 2 for v in x]
    np.testing.assert_array_equal(average_ranks(x), expected)


def test_spearman() -> None:
    x = table(1)
    ranks = np.stack([average_ranks(c) for c in x.T], axis=1)
    np.testing.assert_allclose(spearman(x).matrix, np.corrcoef(ranks.T), atol=1e-12)
    t = np.linspace(-2, 2, 30)
    curved = spearman(np.stack([t, np.exp(t), -(t**3)], axis=1))
    np.testing.assert_allclose(curved.matrix, [[1, 1, -1], [1, 1, -1], [-1, -1, 1]], atol=1e-12)
    np.testing.assert_allclose(curved.maxs, [2, np.exp(2), 8])


def test_a_feature_that_never_varies() -> None:
    x = np.stack([np.arange(4.0), np.full(4, 0.1)], axis=1)
    for method in (pearson, spearman):
        correlations = method(x)
        np.testing.assert_array_equal(correlations.matrix, np.eye(2))
    assert pearson(x).std_devs[1] == pytest.approx(0, abs=1e-16)


def test_pairs_and_json() -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(size=200)
    x = np.stack([a, -a + 0.01 * rng.normal(size=200), rng.normal(size=200), a + rng.normal(size=200)], axis=1)
    correlations = pearson(x, ["a", "minus", "noise", "half"])
    assert correlations.strong(0.6)[0].feature2 == "minus"
    assert {(p.feature1, p.feature2) for p in correlations.strong(0.6)} == {
        ("a", "minus"),
        ("a", "half"),
        ("minus", "half"),
    }
    assert [p.feature2 for p in correlations.with_feature("a")] == ["minus", "half", "noise"]
    assert correlations.with_feature("a")[0].correlation < -0.99
    assert len(correlations.strong(0)) == 6
    record = json.loads(json.dumps(correlations.to_json()))
    assert list(record) == ["correlation", "means", "std_devs", "mins", "maxs"]
    assert list(record["correlation"]) == ["labels", "matrix", "n", "samples"]
    assert (record["correlation"]["n"], record["correlation"]["samples"]) == (4, 200)
    assert list(correlations.strong(0.9)[0].to_json()) == ["feature1", "feature2", "correlation", "abs_correlation"]
    with pytest.raises(InputError, match="minus"):
        correlations.with_feature("minu")


def test_bad_input() -> None:
    x = table(0)
    x[3, 2] = np.nan
    with pytest.raises(InputError, match=r"data\[3, 2\]"):
        pearson(x)
    np.testing.assert_array_equal(pearson(x, skip_nan=True).matrix, pearson(np.delete(x, 3, axis=0)).matrix)
    x[3, 2] = np.inf
    with pytest.raises(InputError, match="finite"):
        pearson(x, skip_nan=True)
    with pytest.raises(InputError, match="two samples"):
        spearman([[1.0, 2.0]])
    with pytest.raises(InputError, match="2 labels for 3"):
        pearson(np.eye(3), ["a", "b"])
    with pytest.raises(InputError, match=r"labels\[1\]"):
        pearson(np.eye(2), ["a", "a"])
    with pytest.raises(InputError, match="threshold"):
        pearson(np.eye(2)).strong(2)
