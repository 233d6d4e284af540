"""Every gradient against central differences in float64, alone and in random nested networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom_py import build_network_from_json
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
CONV = {
    **{"type": "conv2d", "input_channels": 2, "input_height": 4, "input_width": 3, "filters": 3, "kernel_size": 2},
    "activation": "linear",
}
ATTENTION = {"type": "mha", "d_model": 4, "num_heads": 2, "seq_length": 3}
RMS = {"type": "rms_norm", "norm_size": 4}
LAYER_NORM = {"type": "layer_norm", "norm_size": 4}
SOFTMAX: dict[str, dict[str, Any]] = {
    "standard": {},
    "standard, temperature": {"temperature": 0.5},
    "grid": {"softmax_rows": 2, "softmax_cols": 3, "temperature": 2.0},
    "hierarchical": {"hierarchy_levels": [2, 3]},
    "hierarchical, three levels": {"hierarchy_levels": [2, 2, 3], "temperature": 0.7},
    "hierarchical, node logits": {"hierarchy_levels": [2, 2]},
    "temperature": {"temperature": 3.0},
    "gumbel": {"temperature": 0.8, "seed": 4},
    "masked": {"mask": [True, False, True, True, False, True], "temperature": 0.5},
    "sparse": {},
    "sparse, temperature": {"temperature": 0.3},
    "adaptive": {"adaptive_clusters": [[0, 1], [2, 3]], "temperature": 0.6},
    "adaptive, cluster logits": {"adaptive_clusters": [[0, 3], [2]], "cluster_logits": True},
    "mixture": {"mixture_weights": [0.5, 0.2, 0.3]},
    "mixture, gated": {"mixture_components": 2, "temperature": 0.9},
    "entmax": {"entmax_alpha": 1.5},
    "entmax, 1.2": {"entmax_alpha": 1.2, "temperature": 0.5},
    "entmax, 3": {"entmax_alpha": 3.0},
}
LAYERS: dict[str, dict[str, Any]] = {
    **{f"dense, {name}": {"type": "dense", "input_size": 6, "output_size": 5, "activation": name} for name in NAMES},
    "rnn, 1 step": {"type": "rnn", "input_size": 6, "hidden_size": 4},
    "rnn, 3 steps": {"type": "rnn", "input_size": 2, "hidden_size": 4, "seq_length": 3},
    "lstm, 1 step": {"type": "lstm", "input_size": 6, "hidden_size": 4},
    "lstm, 3 steps": {"type": "lstm", "input_size": 2, "hidden_size": 4, "seq_length": 3},
    **{
        f"parallel, {mode}": {"type": "parallel", "combine_mode": mode, "branches": BRANCHES}
        for mode in ("concat", "add", "avg", "grid_scatter", "filter")
    },
    "parallel, filter, widths": {
        "type": "parallel",
        "combine_mode": "filter",
        "filter_gate": {
            "type": "sequential",
            "layers": [{"type": "dense", "output_size": 4, "activation": "tanh"}, {"type": "dense", "output_size": 2}],
        },
        "filter_softmax": "entmax",
        "filter_temperature": 0.7,
        "branches": [{"type": "dense", "output_size": 2, "activation": "tanh"}, {"type": "lstm", "hidden_size": 5}],
    },
    "conv2d": {**CONV, "activation": "tanh"},
    "conv2d, stride and padding": {**CONV, "stride": 2, "padding": 1, "activation": "gelu"},
    "conv2d, 1×1": {**CONV, "kernel_size": 1, "padding": 2, "stride": 3},
    "conv1d": {"type": "conv1d", "input_channels": 2, "filters": 3, "kernel_size": 2, "activation": "silu"},
    "conv1d, stride and padding": {
        **{"type": "conv1d", "input_channels": 1, "filters": 2, "kernel_size": 3, "stride": 2, "padding": 1},
    },
    "layer_norm": {"type": "layer_norm"},
    "layer_norm, runs of 3": {"type": "layer_norm", "norm_size": 3, "epsilon": 0.1},
    "rms_norm": {"type": "rms_norm"},
    "rms_norm, runs of 2": {"type": "rms_norm", "norm_size": 2},
    "dropout": {"type": "dropout"},
    "batch_norm": {"type": "batch_norm"},
    "batch_norm, channels": {"type": "batch_norm", "channels": 2, "epsilon": 0.01},
    "batch_norm, no gamma": {"type": "batch_norm", "channels": 3, "affine": False},
    "swiglu": {"type": "swiglu", "output_size": 5},
    "swiglu, runs of 3": {"type": "swiglu", "input_size": 3, "output_size": 4},
    "residual": {"type": "sequential", "layers": [{"type": "dense", "output_size": 6}, {"type": "residual"}]},
    "residual, around two": {
        "type": "sequential",
        "layers": [
            {"type": "dense", "output_size": 4, "activation": "tanh"},
            {"type": "dense", "output_size": 6, "activation": "silu"},
            {"type": "residual", "skip": 2, "activation": "softplus"},
            {"type": "dense", "output_size": 2},
        ],
    },
    "mha": ATTENTION,
    "mha, not causal": {**ATTENTION, "causal": False},
    "mha, no rope": {**ATTENTION, "rope": False},
    "mha, one head, theta": {**ATTENTION, "num_heads": 1, "rope_theta": 10.0},
    "mha, grouped, head_dim": {**ATTENTION, "num_heads": 4, "num_kv_heads": 2, "head_dim": 2},
    "pre-norm block": {"type": "sequential", "layers": [RMS, ATTENTION, RMS, {"type": "swiglu", "output_size": 3}]},
    "post-norm block": {
        "type": "sequential",
        "layers": [
            {**ATTENTION, "causal": False},
            {"type": "layer_norm"},
            {"type": "swiglu", "output_size": 4},
            LAYER_NORM,
        ],
    },
    "attention twice": {"type": "sequential", "layers": [ATTENTION, ATTENTION, ATTENTION]},
    **{
        f"softmax, {name}": {"type": "softmax", "softmax_variant": name.split(",")[0], **o}
        for name, o in SOFTMAX.items()
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
    sizes = {"conv2d": 24, "mha": 12, "block": 12, "twice": 12, "three levels": 12, "RMS": 12}
    size = next((n for part, n in sizes.items() if part in name), 6)
    report = gradients.check({"input_size": size, "layers": [LAYERS[name]]})
    row(TABLE, f"{name:<36}{max(report.values()):.1e}")
    assert max(report.values()) < LIMIT, report


@pytest.mark.parametrize("name", [name for name in LAYERS if name.startswith(("dropout", "batch_norm"))])
def test_training_pass(name: str) -> None:
    """Through the batch's own statistics, and with the mask of the pass."""
    network = build_network_from_json({"input_size": 6, "layers": [LAYERS[name]]}, seed=0).astype(np.float64)
    network.set_training(True)
    rng = np.random.default_rng(0)
    report = gradients.errors(network, rng.normal(0, 1, (5, 6)), rng)
    row(TABLE, f"{name + ', training':<36}{max(report.values()):.1e}")
    assert max(report.values()) < LIMIT, report


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.network(), st.integers(0, 1000))
def test_random_networks(config: tuple[dict[str, Any], int], seed: int) -> None:
    report = gradients.check(config[0], batch=2, seed=seed, in_size=config[1])
    assert max(report.values()) < LIMIT, report


def test_a_wrong_gradient_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(numpy_ops), "activate_grad", staticmethod(lambda name, z, g: g * 1.001))
    assert max(gradients.check({"layers": [LAYERS["dense, linear"]]}).values()) > LIMIT
