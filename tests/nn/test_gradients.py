"""Every gradient against central differences in float64, alone and in random nested networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom_py.nn.activation import NAMES
from loom_py.runtime import numpy_ops

from ..report import row
from . import gradients, strategies

LIMIT = 1e-6
BRANCHES = [
    {"type": "dense", "output_size": 3, "activation": "tanh"},
    {"type": "lstm", "hidden_size": 3},
    {"type": "rnn", "hidden_size": 3},
]
LAYERS: dict[str, dict[str, Any]] = {
    **{f"dense, {name}": {"type": "dense", "input_size": 6, "output_size": 5, "activation": name} for name in NAMES},
    "rnn, 1 step": {"type": "rnn", "input_size": 6, "hidden_size": 4},
    "rnn, 3 steps": {"type": "rnn", "input_size": 2, "hidden_size": 4, "seq_length": 3},
    "lstm, 1 step": {"type": "lstm", "input_size": 6, "hidden_size": 4},
    "lstm, 3 steps": {"type": "lstm", "input_size": 2, "hidden_size": 4, "seq_length": 3},
    **{
        f"parallel, {mode}": {"type": "parallel", "combine_mode": mode, "branches": BRANCHES}
        for mode in ("concat", "add", "avg", "grid_scatter")
    },
    "parallel, nested": {
        "type": "parallel",
        "combine_mode": "grid_scatter",
        "grid_output_rows": 2,
        "grid_output_cols": 2,
        "grid_positions": [
            {"branch_index": 1, "target_row": 0, "target_col": 0},
            {"branch_index": 0, "target_row": 1, "target_col": 1},
        ],
        "branches": [{"type": "parallel", "combine_mode": "avg", "branches": BRANCHES}, *BRANCHES[:1]],
    },
}
TABLE = "gradient checks: worst relative error over input and parameters, float64"


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name: str) -> None:
    report = gradients.check({"input_size": 6, "layers": [LAYERS[name]]})
    row(TABLE, f"{name:<28}{max(report.values()):.1e}")
    assert max(report.values()) < LIMIT, report


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.network(), st.integers(0, 1000))
def test_random_networks(config: tuple[dict[str, Any], int], seed: int) -> None:
    report = gradients.check(config[0], batch=2, seed=seed, in_size=config[1])
    assert max(report.values()) < LIMIT, report


def test_mse() -> None:
    rng = np.random.default_rng(0)
    y, target = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    expected = gradients.numeric(lambda: float(numpy_ops.mse(y, target)), y)
    assert gradients.relative_error(numpy_ops.mse_grad(y, target), expected) < LIMIT


def test_a_wrong_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(numpy_ops), "activate_grad", staticmethod(lambda name, z, g: g * 1.001))
    assert max(gradients.check({"layers": [LAYERS["dense, linear"]]}).values()) > LIMIT
