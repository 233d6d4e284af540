"""Complementary pairs against sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom_py.analysis import complementary_matches, ensemble_report, mask_to_floats
from loom_py.errors import InputError


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 12), st.floats(0, 1))
def test_by_sets(seed: int, models: int, n: int, least: float) -> None:
    rng = np.random.default_rng(seed)
    masks = {f"m{i}": rng.random(n) < 0.6 for i in range(models)}
    matches = complementary_matches(masks, least)
    expected = {}
    names = list(masks)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            right_a, right_b = set(np.flatnonzero(masks[a])), set(np.flatnonzero(masks[b]))
            coverage, overlap = len(right_a | right_b) / n, len(right_a & right_b) / n
            if coverage >= least - 1e-9:
                expected[a, b] = coverage, overlap
    assert {(m.model_a, m.model_b): (m.coverage, m.overlap) for m in matches} == expected
    keys = [(-m.coverage, m.overlap) for m in matches]
    assert keys == sorted(keys)


def test_report_and_json() -> None:
    masks = {"a": [True, True, False, False], "b": [0, 0, 1, 1], "c": [1.0, 0.0, 0.0, 0.0]}
    matches = complementary_matches(masks, 0.6)
    assert matches[0].to_json() == {"ModelA": "a", "ModelB": "b", "Coverage": 1.0, "Overlap": 0.0}
    text = ensemble_report(matches)
    assert text.splitlines() == [
        "2 complementary matches",
        "  1. a + b: coverage 100.0 %, overlap 0.0 % (PERFECT)",
        "  2. b + c: coverage 75.0 %, overlap 0.0 % (Good)",
    ]
    assert "No complementary" in ensemble_report([])
    np.testing.assert_array_equal(mask_to_floats([True, False]), np.array([1, 0], np.float32))


def test_bad_input() -> None:
    assert complementary_matches({}) == []
    assert complementary_matches({"only": [True]}) == []
    with pytest.raises(InputError, match=r"masks\['b'\]: has 1"):
        complementary_matches({"a": [True, False], "b": [True]})
    with pytest.raises(InputError, match="booleans"):
        complementary_matches({"a": [2, 0]})
    with pytest.raises(InputError, match="min_coverage"):
        complementary_matches({"a": [True]}, 1.5)
    with pytest.raises(InputError, match="no samples"):
        complementary_matches({"a": [], "b": []})
