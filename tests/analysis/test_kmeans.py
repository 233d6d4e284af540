"""K-means against its own definition, brute force and the formula of the silhouette."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom_py.analysis import kmeans, silhouette_samples, silhouette_score
from loom_py.analysis import kmeans as kmeans_function
from loom_py.errors import InputError

INITS = ("k-means++", "forgy")


def blobs(seed: int, n: int = 40, d: int = 3, k: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(10 * rng.normal(size=d), 1.0, (n, d)) for _ in range(k)])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 8), st.integers(1, 20), st.sampled_from(INITS))
def test_inertia_never_rises_and_the_result_is_what_it_says(seed: int, n: int, k: int, d: int, init: str) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, (n, d)).astype(float)  # many equal points
    result = kmeans(x, k, init=init, seed=seed)  # type: ignore[arg-type]
    history = np.array(result.history)
    assert (np.diff(history) <= 1e-9 * (1 + history[:-1])).all()
    distances = ((x[:, None] - result.centroids) ** 2).sum(-1)
    chosen = distances[np.arange(n), result.assignments]
    np.testing.assert_allclose(chosen.sum(), result.inertia, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(chosen, distances.min(axis=1), rtol=1e-9, atol=1e-9)
    clusters = min(k, len(np.unique(x, axis=0)))
    assert len(np.unique(result.assignments)) == clusters, "no cluster is left empty while points differ"
    if result.converged:
        for c in np.unique(result.assignments):
            np.testing.assert_allclose(result.centroids[c], x[result.assignments == c].mean(axis=0), atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_best_of_many_runs_is_the_optimum_of_tiny_sets(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, k = rng.normal(size=(7, 2)), 3
    best = np.inf
    for labels in itertools.product(range(k), repeat=len(x)):
        groups = [x[np.array(labels) == c] for c in set(labels)]
        best = min(best, sum(((g - g.mean(axis=0)) ** 2).sum() for g in groups))
    assert kmeans(x, k, seed=seed, runs=40).inertia == pytest.approx(best, rel=1e-9)


def test_finds_blobs_and_repeats_with_its_seed() -> None:
    x = blobs(1)
    first, again = kmeans(x, 4, seed=5, runs=5), kmeans(x, 4, seed=5, runs=5)
    np.testing.assert_array_equal(first.centroids, again.centroids)
    for start in range(0, len(x), 40):
        assert len(set(first.assignments[start : start + 40])) == 1
    assert silhouette_score(x, first.assignments) > 0.7


def test_far_from_the_origin() -> None:
    x = blobs(2)
    near, far = kmeans(x, 4, seed=1, runs=3), kmeans(x + 1e7, 4, seed=1, runs=3)
    assert far.inertia == pytest.approx(near.inertia, rel=1e-6)


@pytest.mark.parametrize("columns", [3, 40])
def test_silhouette_by_definition(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    module = sys.modules[kmeans_function.__module__]
    monkeypatch.setattr(module, "CHUNK", 50)  # several chunks
    rng = np.random.default_rng(3)
    x = rng.normal(size=(30, columns))
    labels = rng.choice([2, 5, 9], 30)
    labels[4] = 77  # alone
    d = np.sqrt(((x[:, None] - x) ** 2).sum(-1))
    expected = []
    for i in range(30):
        same = [j for j in range(30) if labels[j] == labels[i] and j != i]
        if not same:
            expected.append(0.0)
            continue
        a = d[i, same].mean()
        b = min(d[i, labels == c].mean() for c in set(labels) - {labels[i]})
        expected.append((b - a) / max(a, b))
    np.testing.assert_allclose(silhouette_samples(x, labels), expected, atol=1e-10)
    assert silhouette_score(x, labels) == pytest.approx(np.mean(expected))


def test_silhouette_edges() -> None:
    x = np.zeros((4, 2))
    np.testing.assert_array_equal(silhouette_samples(x, [0, 0, 1, 1]), np.zeros(4))
    np.testing.assert_array_equal(silhouette_samples(np.ones((3, 1)), [4, 4, 4]), np.zeros(3))
    with pytest.raises(InputError, match="assignments"):
        silhouette_score(x, [0, 1])


def test_bad_input() -> None:
    x = np.ones((3, 2))
    for bad, match in (
        ([[1, np.nan]], r"data\[0, 1\]"),
        ([1, 2], "matrix"),
        ([], "matrix"),
        ([["a"]], r"data\[0\]\[0\]: expected a number"),
    ):
        with pytest.raises(InputError, match=match):
            kmeans(bad, 2)
    for k in (0, -1, 1.5, True):
        with pytest.raises(InputError, match="k"):
            kmeans(x, k)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="k-means"):
        kmeans(x, 2, init="random")  # type: ignore[arg-type]
    assert kmeans(x, 9).centroids.shape == (3, 2), "more clusters than points are as many as points"
    record = kmeans(x, 1).to_json()
    assert record["centroids"] == [[1.0, 1.0]]
    assert record["assignments"] == [0, 0, 0]
