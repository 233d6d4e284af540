"""The small functions: finite values pass, others do no harm."""

from __future__ import annotations

import numpy as np
import pytest

from loom_py import build_network_from_json
from loom_py.tween.config import TweenConfig
from loom_py.tween.maths import add_rows, all_finite, clamp, move, safe

BIG = 1e30  # its square is beyond float32


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5, -3.0, 12.0], [0.5, -3.0, 10.0]),
        ([-BIG, BIG, 1.0], [-10.0, 10.0, 1.0]),
        ([np.nan, np.inf, -np.inf, 2.0, -11.0], [0.0, 0.0, 0.0, 2.0, -10.0]),
        ([], []),
    ],
)
def test_safe(values: list[float], expected: list[float]) -> None:
    a = np.array(values, np.float32)
    cut = safe(a, 10.0)
    assert cut.dtype == np.float32
    assert cut.tolist() == expected


def test_safe_keeps_shapes() -> None:
    assert safe(np.full((2, 3), 20.0, np.float32), 1.0).tolist() == [[1.0] * 3] * 2
    assert float(safe(np.asarray(np.nan), 0.5)) == 0.0


def test_move_leaves_alone_what_would_not_be_finite() -> None:
    w = np.array([1.0, 2.0, BIG], np.float32)
    move(w, np.array([0.5, np.nan, BIG], np.float32))
    assert w.tolist() == [1.5, 2.0, float(np.float32(2 * BIG))]
    move(w, np.array([np.inf, 1.0, 0.0], np.float32))
    assert w[:2].tolist() == [1.5, 3.0]


def test_all_finite() -> None:
    assert all_finite(np.array([BIG, -BIG], np.float32))
    assert not all_finite(np.array([1.0, np.nan], np.float32))
    assert not all_finite(np.array([[1.0, np.inf]], np.float32))


@pytest.mark.parametrize("order", ["C", "F"])
def test_add_rows_goes_through_the_numbers_in_order(order: str) -> None:
    w = np.zeros((2, 3), np.float32, order=order)  # type: ignore[call-overload]
    add_rows(w, np.array([1.0, np.nan, 3.0, 4.0], np.float32))
    assert w.tolist() == [[1, 0, 3], [4, 0, 0]]
    add_rows(w, np.ones((3, 3), np.float32))
    assert w.tolist() == [[2, 1, 4], [5, 1, 1]]


@pytest.mark.parametrize(("kind", "limited"), [("rms_norm", True), ("dense", False)])
def test_layers_without_an_activation_count_as_relu(kind: str, limited: bool) -> None:
    sizes = {"input_size": 2, "output_size": 2, "activation": "linear"} if kind == "dense" else {"norm_size": 2}
    (layer,) = build_network_from_json({"layers": [{"type": kind, **sizes}]}).layers
    target, config = np.full(2, 1e6, np.float32), TweenConfig()
    assert clamp(config, layer, target).tolist() == [config.relu_clamp_max if limited else 1e6] * 2
