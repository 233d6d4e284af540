"""Sampling: each filter alone, the draw's distribution, and the generator's published vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loom_py.errors import ConfigError, InputError
from loom_py.generation.sampling import GenerationOptions, sample
from loom_py.runtime.philox import philox, uniform

LOGITS = np.log(np.array([0.05, 0.4, 0.3, 0.2, 0.05], dtype=np.float32))


def drawn(n: int = 4000, seen: tuple[int, ...] = (), **options: Any) -> np.ndarray:
    """Relative frequency of each token."""
    settings = GenerationOptions(temperature=options.pop("temperature", 1.0), **options)
    tokens = [sample(LOGITS, settings, step, seen) for step in range(n)]
    return np.bincount(tokens, minlength=5) / n


def test_greedy_takes_the_first_largest() -> None:
    assert sample(np.array([1.0, 3.0, 3.0]), GenerationOptions(), 0) == 1


def test_draws_follow_the_softmax() -> None:
    np.testing.assert_allclose(drawn(), [0.05, 0.4, 0.3, 0.2, 0.05], atol=0.03)


def test_temperature() -> None:
    p = np.array([0.05, 0.4, 0.3, 0.2, 0.05]) ** 2
    np.testing.assert_allclose(drawn(temperature=0.5), p / p.sum(), atol=0.03)
    np.testing.assert_allclose(drawn(temperature=100), [0.2] * 5, atol=0.04)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"top_k": 2}, [1, 2]),
        ({"top_k": 1}, [1]),
        ({"top_k": 99}, [0, 1, 2, 3, 4]),
        ({"top_p": 0.65}, [1, 2]),
        ({"top_p": 0.75}, [1, 2, 3]),
        ({"top_p": 0.0}, [1]),
        ({"min_p": 0.6}, [1, 2]),
        ({"min_p": 1.0}, [1]),
        ({"top_k": 3, "top_p": 0.5}, [1, 2]),
    ],
)
def test_filters(options: dict[str, Any], kept: list[int]) -> None:
    p = drawn(2000, **options)
    assert np.flatnonzero(p).tolist() == kept
    expected = np.zeros(5)
    expected[kept] = np.array([0.05, 0.4, 0.3, 0.2, 0.05])[kept]
    np.testing.assert_allclose(p, expected / expected.sum(), atol=0.05)


def test_repetition_penalty() -> None:
    options = GenerationOptions(repetition_penalty=2.0)
    assert sample(np.array([2.0, 1.5, -1.0]), options, 0, (0, 0)) == 1
    assert sample(np.array([-1.0, -1.5, -9.0]), options, 0, (0,)) == 1
    assert sample(np.array([-1.0, -2.5, -9.0]), options, 0, (0,)) == 0


def test_same_seed_same_tokens() -> None:
    a, b, c = ([sample(LOGITS, GenerationOptions(temperature=1, seed=s), t) for t in range(50)] for s in (1, 1, 2))
    assert a == b != c


def test_philox_known_answers() -> None:
    """Of the Random123 distribution (philox2x32, 10 rounds)."""
    rows = [
        ((0, 0, 0), (0xFF1DAE59, 0x6CD10DF2)),
        ((0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF), (0x2C3F628B, 0xAB4FD7AD)),
        ((0x243F6A88, 0x85A308D3, 0x13198A2E), (0xDD7CE038, 0xF62A4C12)),
    ]
    for (element, step, seed), expected in rows:
        left, right = philox(seed, step, np.array([element]))
        assert (int(left[0]), int(right[0])) == expected


def test_uniform_stays_inside() -> None:
    u = uniform(3, 4, 200_000)
    assert u.dtype == np.float32
    assert 0 < u.min() < 1e-4
    assert 1 - 1e-4 < u.max() < 1
    assert abs(u.mean() - 0.5) < 0.003
    np.testing.assert_array_equal(uniform(3, 4, 10), u[:10])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1}, "temperature: -1 must be at least 0 and at most 100"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens: must be a whole number"),
        ({"top_p": 1.1}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"seed": -1}, "seed"),
        ({"stop": "x"}, "stop: must be a list"),
        ({"stop": [""]}, "stop: must be a list"),
        ({"temprature": 1}, r"options.temprature: unknown key 'temprature'. Did you mean 'temperature'"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises((InputError, ConfigError), match=message):
        GenerationOptions.from_json(options)
