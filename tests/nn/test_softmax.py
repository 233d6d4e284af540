"""The softmax variants are what their names say."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom_py import Network, build_network_from_json
from loom_py.errors import ConfigError, InputError
from loom_py.runtime import numpy_ops


def build(variant: str, size: int | None = 6, **options: Any) -> Network:
    top = {} if size is None else {"input_size": size}
    layer = {"type": "softmax", "softmax_variant": variant, **options}
    return build_network_from_json({**top, "layers": [layer]}).astype(np.float64)


def softmax(x: Any) -> np.ndarray:
    e = np.exp(np.asarray(x, dtype=np.float64) - np.max(x))
    return e / e.sum()


X = np.array([0.3, -1.2, 2.0, 0.7, 0.0, -0.4])


def test_grid_rows_are_separate() -> None:
    y = build("grid", softmax_rows=2, softmax_cols=3, temperature=2.0).forward(X)[0]
    np.testing.assert_allclose(y, [*softmax(X[:3] / 2), *softmax(X[3:] / 2)])


def test_masked_entries_are_exactly_zero() -> None:
    y = build("masked", mask=[True, False, True, True, False, False]).forward(X)[0]
    np.testing.assert_allclose(y[[0, 2, 3]], softmax(X[[0, 2, 3]]))
    assert (y[[1, 4, 5]] == 0).all()


def test_tree_multiplies_down() -> None:
    z = np.arange(6, dtype=np.float64) / 3  # leaves of a tree with 2 × 3
    top = softmax([z[:3].mean(), z[3:].mean()])
    expected = np.concatenate([top[0] * softmax(z[:3]), top[1] * softmax(z[3:])])
    np.testing.assert_allclose(build("hierarchical", hierarchy_levels=[2, 3]).forward(z)[0], expected)
    nodes = np.array([0.1, -0.3, *z])
    y = build("hierarchical", 8, hierarchy_levels=[2, 3]).forward(nodes)[0]
    top = softmax([0.1, -0.3])
    np.testing.assert_allclose(y, np.concatenate([top[0] * softmax(z[:3]), top[1] * softmax(z[3:])]))


def test_three_levels() -> None:
    z = np.random.default_rng(0).normal(size=12)
    y = build("hierarchical", 12, hierarchy_levels=[2, 3, 2]).forward(z)[0]
    expected = np.empty(12)
    top = softmax([z[:6].mean(), z[6:].mean()])
    for i in range(2):
        middle = softmax([z[6 * i + 2 * j : 6 * i + 2 * j + 2].mean() for j in range(3)])
        for j in range(3):
            pair = slice(6 * i + 2 * j, 6 * i + 2 * j + 2)
            expected[pair] = top[i] * middle[j] * softmax(z[pair])
    np.testing.assert_allclose(y, expected)


def test_adaptive_is_a_shortlist_and_clusters() -> None:
    head = softmax([X[0], X[1], X[[2, 3]].mean(), X[[4, 5]].mean()])
    expected = np.concatenate([head[:2], head[2] * softmax(X[2:4]), head[3] * softmax(X[4:])])
    np.testing.assert_allclose(build("adaptive", adaptive_clusters=[[2, 3], [4, 5]]).forward(X)[0], expected)
    y = build("adaptive", adaptive_clusters=[[1, 3], [2]], cluster_logits=True).forward(X)[0]  # 4 classes, 2 clusters
    head = softmax([X[0], X[4], X[5]])
    inner = softmax([X[1], X[3]])
    np.testing.assert_allclose(y, [head[0], head[1] * inner[0], head[2], head[1] * inner[1]])


def test_mixture() -> None:
    y = build("mixture", mixture_weights=[3, 1]).forward(X)[0]
    np.testing.assert_allclose(y, 0.75 * softmax(X[:3]) + 0.25 * softmax(X[3:]))
    y = build("mixture", mixture_components=2).forward(X)[0]
    share = softmax(X[4:])
    np.testing.assert_allclose(y, share[0] * softmax(X[:2]) + share[1] * softmax(X[2:4]))


def test_gumbel_noise_is_seeded_fresh_and_switchable() -> None:
    one, two, other = build("gumbel", seed=1), build("gumbel", seed=1), build("gumbel", seed=2)
    first, second = one.forward(X), one.forward(X)
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(first, two.forward(X))
    assert not np.allclose(first, other.forward(X))
    one.reset_state()
    np.testing.assert_array_equal(first, one.forward(X))
    np.testing.assert_allclose(build("gumbel", gumbel_noise=False).forward(X)[0], softmax(X))


def test_gumbel_argmax_follows_the_softmax() -> None:
    network = build("gumbel", seed=5)
    winners = np.bincount([int(network.forward(X).argmax()) for _ in range(4000)], minlength=6) / 4000
    np.testing.assert_allclose(winners, softmax(X), atol=0.03)


def simplex_projection(z: np.ndarray) -> np.ndarray:
    """The nearest point of the simplex, by trying every support."""
    best, distance = z, np.inf
    for k in range(1, len(z) + 1):
        for support in map(list, combinations(range(len(z)), k)):
            p = np.zeros(len(z))
            p[support] = z[support] - (z[support].sum() - 1) / k
            if (p >= 0).all() and ((p - z) ** 2).sum() < distance:
                best, distance = p, ((p - z) ** 2).sum()
    return best


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=5))
def test_sparsemax_projects(values: list[float]) -> None:
    z = np.array(values)
    np.testing.assert_allclose(numpy_ops.sparsemax(z[None])[0], simplex_projection(z), atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.sampled_from([1.0, 1.1, 1.5, 1.9, 2.0, 2.5, 4.0]))
def test_entmax_satisfies_its_definition(values: list[float], alpha: float) -> None:
    """p maximises pᵀz + Tsallis entropy: (α−1) z_i − p_i^(α−1) is one τ on the support and at most τ off it."""
    z = np.array(values)
    p = numpy_ops.entmax(z[None], alpha)[0]
    assert p.sum() == pytest.approx(1)
    if alpha == 1:
        np.testing.assert_allclose(p, softmax(z))
        return
    tau = (alpha - 1) * z - p ** (alpha - 1)
    on = p > 0
    assert np.ptp(tau[on]) < 1e-6
    assert ((alpha - 1) * z[~on] <= tau[on].mean() + 1e-6).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_entmax_keeps_the_dtype(dtype: Any) -> None:
    assert numpy_ops.entmax(np.zeros((2, 3), dtype), 1.5).dtype == dtype


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"softmax_variant": "soft"}, "softmax_variant: unknown softmax variant 'soft'. Known: standard"),
        ({"temperature": -1}, "temperature: -1 must be at least 0"),
        ({"softmax_variant": "grid", "softmax_rows": 4}, "6 inputs are not 4 rows"),
        ({"softmax_variant": "masked", "mask": [False] * 6}, "mask: at least one entry must be true"),
        ({"softmax_variant": "masked", "mask": [True] * 5}, "masked softmax takes 5 values, got 6"),
        ({"softmax_variant": "masked", "mask": [1] * 6}, r"mask\[0\]: expected true or false, got a number"),
        ({"softmax_variant": "hierarchical", "hierarchy_levels": [2, 4]}, "hierarchy_levels: 6 inputs are neither 8"),
        ({"softmax_variant": "hierarchical"}, "hierarchy_levels: needs a list"),
        (
            {"softmax_variant": "adaptive", "adaptive_clusters": [[0, 9]]},
            "adaptive_clusters: needs lists of classes below 6",
        ),
        (
            {"softmax_variant": "adaptive", "adaptive_clusters": [[0], [0]]},
            r"adaptive_clusters\[1\]: needs classes that",
        ),
        ({"softmax_variant": "mixture"}, "mixture_weights: needs weights"),
        ({"softmax_variant": "mixture", "mixture_weights": [1] * 4}, "6 inputs are not 4 softmaxes"),
        ({"softmax_variant": "entmax", "entmax_alpha": 0.5}, "entmax_alpha: 0.5 must be at least 1"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_network_from_json({"input_size": 6, "layers": [{"type": "softmax", **options}]})


def test_sizes_unknown_until_the_input_comes() -> None:
    assert build("standard", None).forward(X).shape == (1, 6)
    assert build("adaptive", None, adaptive_clusters=[[0, 1]]).forward(X).shape == (1, 6)
    with pytest.raises(InputError, match="6 values do not divide into 4"):
        build("grid", None, softmax_rows=4).forward(X)
    with pytest.raises(InputError, match="names a later one"):
        build("adaptive", None, adaptive_clusters=[[7]]).forward(X)
