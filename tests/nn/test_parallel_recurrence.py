"""QRNN and SRU against their papers' formulas, step by step in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loom_py import build_network_from_json

T, WIDTH = 7, 3


def sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def qrnn(p: dict[str, Any], x: Any, size: int, kernel: int) -> Any:
    w, bias, c, out = p["weight_ih"].reshape(3, size, kernel, WIDTH), p["bias"].reshape(3, size), np.zeros(size), []
    for t in range(T):
        a = bias.copy()
        for j in range(min(kernel, t + 1)):
            a = a + w[:, :, j] @ x[t - j]
        z, f, o = np.tanh(a[0]), sigmoid(a[1]), sigmoid(a[2])
        c = f * c + (1 - f) * z
        out.append(o * c)
    return np.array(out)


def sru(p: dict[str, Any], x: Any, size: int, _: int) -> Any:
    w, v, b = p["weight_ih"].reshape(-1, size, WIDTH), p["weight_c"], p["bias"].reshape(2, size)
    c, out = np.zeros(size), []
    for t in range(T):
        f, r = (sigmoid(w[1 + k] @ x[t] + v[k] * c + b[k]) for k in range(2))
        c = f * c + (1 - f) * (w[0] @ x[t])
        out.append(r * c + (1 - r) * (w[3] @ x[t] if len(w) == 4 else x[t]))
    return np.array(out)


CASES = [("qrnn", 5, 1), ("qrnn", 5, 2), ("qrnn", 5, 4), ("sru", 5, 0), ("sru", WIDTH, 0)]


def network(kind: str, size: int, kernel: int, **options: Any) -> Any:
    own = {"kernel_size": kernel} if kernel else {}
    layer = {"type": kind, "input_size": WIDTH, "hidden_size": size, "seq_length": T, **own, **options}
    built = build_network_from_json({"layers": [layer]}, seed=3).astype(np.float64)
    rng = np.random.default_rng(1)
    for a in built.parameters.values():
        a[...] = rng.normal(size=a.shape)
    return built


@pytest.mark.parametrize(("kind", "size", "kernel"), CASES)
def test_formulas(kind: str, size: int, kernel: int) -> None:
    built, x = network(kind, size, kernel), np.random.default_rng(2).normal(size=(2, T, WIDTH))
    p = {path.rsplit(".", 1)[-1]: a for path, a in built.parameters.items()}
    expected = [{"qrnn": qrnn, "sru": sru}[kind](p, row, size, kernel) for row in x]
    np.testing.assert_allclose(built.forward(x.reshape(2, -1)).reshape(2, T, size), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("kind", "size", "kernel"), CASES)
def test_what_is_carried_continues_the_sequence(kind: str, size: int, kernel: int) -> None:
    """One step at a time, stateful, is the whole sequence."""
    whole, x = network(kind, size, kernel), np.random.default_rng(2).normal(size=(T, WIDTH))
    single = network(kind, size, kernel, stateful=True, seq_length=1)
    steps = [single.forward(row[None])[0] for row in x]
    np.testing.assert_allclose(np.array(steps).ravel(), whole.forward(x.reshape(1, -1))[0], rtol=1e-9, atol=1e-12)
