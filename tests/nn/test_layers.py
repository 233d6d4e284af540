"""What the layers compute, against plain readings of their formulas; carried state; errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loom_py import Network, build_network_from_json
from loom_py.errors import ConfigError, InputError
from loom_py.nn.attention import MultiHeadAttention

from .gradients import check

RNG = np.random.default_rng(7)


def build(*layers: dict[str, Any], spread: float = 0.5, **top: Any) -> Network:
    network = build_network_from_json({**top, "layers": list(layers)}, seed=0).astype(np.float64)
    for a in network.parameters.values():
        a[...] = np.random.default_rng(a.size).normal(0, spread, a.shape)
    return network


@pytest.mark.parametrize(("stride", "padding", "kernel"), [(1, 0, 2), (2, 1, 3), (3, 2, 1), (1, 3, 4)])
def test_conv2d(stride: int, padding: int, kernel: int) -> None:
    config = {"type": "conv2d", "input_channels": 2, "input_height": 5, "input_width": 4, "filters": 3}
    network = build({**config, "kernel_size": kernel, "stride": stride, "padding": padding, "activation": "linear"})
    x = RNG.normal(size=(2, 2, 5, 4))
    k, b = network.params[0]["kernel"], network.params[0]["bias"]
    high, wide = ((n + 2 * padding - kernel) // stride + 1 for n in (5, 4))
    expected = np.empty((2, 3, high, wide))
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    for i in range(high):
        for j in range(wide):
            window = padded[:, :, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
            expected[:, :, i, j] = np.einsum("bcuv,fcuv->bf", window, k) + b
    np.testing.assert_allclose(network.forward(x.reshape(2, -1)), expected.reshape(2, -1))


def test_conv1d_is_a_sliding_product() -> None:
    network = build(
        {"type": "conv1d", "input_channels": 2, "filters": 3, "kernel_size": 3, "activation": "linear"}, input_size=14
    )
    x = RNG.normal(size=(1, 2, 7))
    k, b = network.params[0]["kernel"], network.params[0]["bias"]
    assert k.shape == (3, 2, 1, 3)
    expected = np.stack([np.einsum("cu,fcu->f", x[0, :, i : i + 3], k[:, :, 0]) + b for i in range(5)], axis=1)
    np.testing.assert_allclose(network.forward(x.reshape(1, -1)), expected.reshape(1, -1))


def attention_reference(layer: MultiHeadAttention, p: dict[str, Any], x: np.ndarray) -> np.ndarray:
    """x (S, D) → (S, D), one head and one position at a time."""
    steps, hd, heads, kv = len(x), layer.head_dim, layer.num_heads, layer.num_kv_heads
    q, k, v = (x @ p[n] + p[f"{n}_bias"] for n in "qkv")
    f = layer.rope_theta ** -(np.arange(0, hd, 2) / hd)

    def turned(a: np.ndarray, position: int) -> np.ndarray:
        if not layer.rope:
            return a
        half = hd // 2
        c, s = np.cos(position * f), np.sin(position * f)
        return np.concatenate([a[:half] * c - a[half:] * s, a[half:] * c + a[:half] * s])

    out = np.zeros((steps, heads * hd))
    for h in range(heads):
        g = h // (heads // kv)
        for t in range(steps):
            seen = range(t + 1 if layer.causal else steps)
            qt = turned(q[t, h * hd : (h + 1) * hd], t)
            scores = np.array([qt @ turned(k[u, g * hd : (g + 1) * hd], u) for u in seen]) / np.sqrt(hd)
            weights = np.exp(scores - scores.max())
            weights /= weights.sum()
            out[t, h * hd : (h + 1) * hd] = sum(
                w * v[u, g * hd : (g + 1) * hd] for w, u in zip(weights, seen, strict=True)
            )
    return out @ p["o"] + p["o_bias"]


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("rope", [True, False])
@pytest.mark.parametrize(("heads", "kv", "hd"), [(2, 2, 3), (4, 2, 2), (4, 1, 4), (1, 1, 6)])
def test_attention_and_its_batch(causal: bool, rope: bool, heads: int, kv: int, hd: int) -> None:
    if rope and hd % 2:
        hd += 1
    config = {"type": "mha", "d_model": 6, "num_heads": heads, "num_kv_heads": kv, "head_dim": hd}
    network = build({**config, "causal": causal, "rope": rope, "rope_theta": 100.0})
    x = RNG.normal(size=(3, 5 * 6))
    layer = network.layers[0]
    assert isinstance(layer, MultiHeadAttention)
    expected = [attention_reference(layer, network.params[0], row.reshape(5, 6)).ravel() for row in x]
    np.testing.assert_allclose(network.forward(x), expected, rtol=1e-9, atol=1e-12)


def test_attention_step_by_step_equals_all_at_once() -> None:
    config = {"type": "mha", "d_model": 6, "num_heads": 2, "num_kv_heads": 1, "head_dim": 4}
    whole = build(config, {"type": "layer_norm", "norm_size": 6})
    stepped = build({**config, "cache_length": 8}, {"type": "layer_norm", "norm_size": 6})
    x = RNG.normal(size=(8, 6))
    expected = whole.forward(x.reshape(1, -1)).reshape(8, 6)
    got = [stepped.forward(x[:3].reshape(1, -1)), *(stepped.forward(row[None]) for row in x[3:])]
    np.testing.assert_allclose(np.concatenate([g.reshape(-1, 6) for g in got]), expected, rtol=1e-9)
    with pytest.raises(InputError, match="9 positions do not fit the cache of 8"):
        stepped.forward(x[:1])
    stepped.reset_state()
    np.testing.assert_allclose(stepped.forward(x[:1]), expected[:1], rtol=1e-9)
    with pytest.raises(InputError, match="no backward pass"):
        stepped.backward(np.ones((1, 6)))
    with pytest.raises(InputError, match="one sample at a time, got 2"):
        stepped.forward(x[:2])


@pytest.mark.parametrize("kind", ["rnn", "lstm"])
def test_carried_state_continues_a_sequence(kind: str) -> None:
    long = build({"type": kind, "input_size": 3, "hidden_size": 4, "seq_length": 6})
    short = build({"type": kind, "input_size": 3, "hidden_size": 4, "seq_length": 2, "stateful": True})
    forgetful = build({"type": kind, "input_size": 3, "hidden_size": 4, "seq_length": 2})
    x = RNG.normal(size=(2, 6, 3))
    expected = long.forward(x.reshape(2, -1)).reshape(2, 6, 4)
    parts = [x[:, i : i + 2].reshape(2, -1) for i in (0, 2, 4)]
    got = np.concatenate([short.forward(part).reshape(2, 2, 4) for part in parts], axis=1)
    np.testing.assert_allclose(got, expected)
    assert not np.allclose(forgetful.forward(parts[1]), expected[:, 2:4].reshape(2, -1))
    short.reset_state()
    np.testing.assert_allclose(short.forward(parts[0]), expected[:, :2].reshape(2, -1))


def test_residual_adds_what_came_before() -> None:
    dense = {"type": "dense", "output_size": 3, "activation": "tanh"}
    plain = build(dense, dense, input_size=3)
    skipping = build(dense, dense, {"type": "residual", "skip": 2}, input_size=3)
    x = RNG.normal(size=(2, 3))
    np.testing.assert_allclose(skipping.forward(x), plain.forward(x) + x)
    with pytest.raises(ConfigError, match=r"layers\[1\].skip: there are only 1 layers before"):
        build(dense, {"type": "residual", "skip": 2}, input_size=3)
    with pytest.raises(
        ConfigError, match=r"layers\[1\].skip: the layer before gives 4 values, but the skipped input has 3"
    ):
        build({**dense, "output_size": 4}, {"type": "residual"}, input_size=3)


def test_embedding_looks_up_and_refuses() -> None:
    network = build(
        {"type": "embedding", "vocab_size": 5, "embedding_dim": 2}, {"type": "dense", "input_size": 6, "output_size": 1}
    )
    table = network.params[0]["table"]
    network.forward([[4, 0, 4]])
    np.testing.assert_array_equal(network.activations()[1], table[[4, 0, 4]].ravel())
    network.backward([[1.0]])
    gradient = network.gradients["layers.0.table"]
    assert not gradient[[1, 2, 3]].any()
    g = network.params[1]["kernel"].reshape(3, 2) * (1.1 if np.ravel(network.activations()[-1])[0] > 0 else 0)
    np.testing.assert_allclose(gradient[4], g[0] + g[2])
    for bad, shown in (([5, 0, 0], "5 is not"), ([0, -1, 0], "-1 is not"), ([0, 0, 0.5], "0.5 is not")):
        with pytest.raises(InputError, match=f"{shown} a token id below 5"):
            network.forward([bad])


def test_embedding_gradient() -> None:
    config = {
        "layers": [
            {"type": "embedding", "vocab_size": 5, "embedding_dim": 3},
            {"type": "rnn", "hidden_size": 2, "seq_length": 2, "input_size": 3},
        ]
    }
    network = build(*config["layers"])
    x = np.array([[1.0, 3.0], [3.0, 3.0]])
    weight = RNG.normal(size=network.forward(x).shape)
    network.backward(weight)
    got = network.gradients["layers.0.table"].copy()
    table = network.params[0]["table"]
    for i in np.ndindex(table.shape):
        keep, table[i] = table[i], table[i] + 1e-6
        high = (network.forward(x) * weight).sum()
        table[i] = keep - 1e-6
        low = (network.forward(x) * weight).sum()
        table[i] = keep
        assert got[i] == pytest.approx((high - low) / 2e-6, abs=1e-7)


def test_a_gate_learns_which_expert_to_trust() -> None:
    """Two frozen-by-construction experts, +x and −x; the sign of the second input says which is right."""
    experts = [{"type": "dense", "output_size": 1, "activation": "linear"}] * 2
    network = build_network_from_json(
        {"input_size": 2, "layers": [{"type": "parallel", "combine_mode": "filter", "branches": experts}]}, seed=0
    )
    x = RNG.uniform(-1, 1, (64, 2)).astype(np.float32)
    x[:, 1] = np.sign(x[:, 1])
    batches = [{"Input": x, "Target": (x[:, 0] * x[:, 1])[:, None]}]
    before = network.params[0]["gate"][0]["kernel"].copy()
    result = network.train(batches, {"Epochs": 2000, "LearningRate": 0.5})
    assert result.final_loss < 0.05 * result.loss_history[0]
    assert np.abs(network.params[0]["gate"][0]["kernel"] - before).max() > 0.5


def test_deep_chains_keep_exact_gradients() -> None:
    block = [{"type": "rms_norm", "norm_size": 4}, {"type": "mha", "d_model": 4, "num_heads": 2}]
    block += [{"type": "rms_norm", "norm_size": 4}, {"type": "swiglu", "input_size": 4, "output_size": 3}]
    report = check({"input_size": 8, "layers": block * 5 + [{"type": "dense", "output_size": 2}]})
    assert max(report.values()) < 1e-6


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"type": "mha", "d_model": 6, "num_heads": 4}, "num_heads: 4 heads do not divide d_model = 6"),
        ({"type": "mha", "d_model": 6, "num_heads": 3, "num_kv_heads": 2}, "num_kv_heads: 2 does not divide"),
        ({"type": "mha", "d_model": 6, "num_heads": 2, "rope": True}, "rope: rotary positions need an even head_dim"),
        ({"type": "mha", "d_model": 4, "num_heads": 2}, "d_model: d_model = 4 does not divide the 6 inputs"),
        (
            {"type": "mha", "d_model": 6, "num_heads": 1, "causal": False, "cache_length": 3},
            "cache_length: a cache needs",
        ),
        ({"type": "mha", "d_model": 6, "num_heads": 0}, "num_heads: 0 must be at least"),
        (
            {"type": "conv2d", "filters": 1, "kernel_size": 9, "input_height": 2},
            "kernel_size: 9 is larger than the padded",
        ),
        ({"type": "conv2d", "filters": 1, "kernel_size": 1, "input_channels": 4}, "4 channels of 1 × 1 are 4 values"),
        (
            {"type": "conv2d", "filters": 1, "kernel_size": 1, "input_height": 2, "output_height": 9},
            "output_height: 9 given",
        ),
        ({"type": "conv1d", "filters": 1, "kernel_size": 2, "stride": 0}, "stride: 0 must be at least"),
        ({"type": "layer_norm", "norm_size": 4}, "norm_size: 4 does not divide the 6 inputs"),
        ({"type": "rms_norm", "epsilon": -1}, "epsilon: -1 must be at least 0"),
        ({"type": "swiglu", "input_size": 4, "output_size": 2}, "input_size: 4 does not divide the 6 inputs"),
        ({"type": "swiglu"}, "output_size: missing"),
        ({"type": "sequential", "layers": []}, "layers: a sequential layer needs at least one"),
        ({"type": "sequential", "layers": [{"type": "dense"}]}, r"layers\[0\].layers\[0\].output_size: missing"),
        (
            {
                "type": "parallel",
                "combine_mode": "filter",
                "branches": [{"type": "rnn", "hidden_size": 1}],
                "filter_gate": {"type": "dense", "output_size": 2},
            },
            "filter_gate: the gate has 2 outputs for 1 branches",
        ),
    ],
)
def test_bad_layers(layer: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_network_from_json({"input_size": 6, "layers": [layer]})
