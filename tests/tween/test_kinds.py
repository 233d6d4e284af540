"""The rules of the other layer kinds, written out, and the principled rule against central differences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from loom_py import Network, build_network_from_json
from loom_py.tween import TweenConfig, TweenState

from ..nn import examples
from ..nn.gradients import numeric, relative_error
from ..report import row

RATE = 0.3
KINDS = {
    "conv2d": examples.EXAMPLES["conv2d"],
    "rnn": examples.EXAMPLES["rnn"],
    "lstm": examples.EXAMPLES["lstm"],
    "attention, 1 step": {"type": "mha", "d_model": 12, "num_heads": 3},
    "attention, 3 steps": examples.EXAMPLES["multi_head_attention"],
    "layer_norm": {"type": "layer_norm"},
    "rms_norm, runs of 4": {"type": "rms_norm", "norm_size": 4},
    "swiglu": {"type": "swiglu", "output_size": 5},
}


def make(layer: dict[str, Any]) -> tuple[Network, dict[str, Any]]:
    """The layer between two dense ones, float64; and a copy of its parameters, flat."""
    network = build_network_from_json(
        examples.network_config("dense")
        | {
            "layers": [
                {"type": "dense", "output_size": 12, "activation": "tanh"},
                layer,
                {"type": "dense", "output_size": 2, "activation": "sigmoid"},
            ]
        },
        seed=0,
    ).astype(np.float64)
    rng = np.random.default_rng(0)
    for a in network.parameters.values():
        a[...] = rng.normal(0, 0.5, a.shape)
    return network, {name: a.ravel().tolist() for name, a in network.params[1].items()}


def cut(v: float, limit: float) -> float:
    return max(-limit, min(limit, v))


def at(w: list[float], i: int) -> float:
    return w[i] if i < len(w) else 0.0


def tanh_slope(y: float) -> float:
    return 1 - y * y + 0.01


def down(kind: str, layer: Any, p: dict[str, Any], x: Any, y: Any, g: Any, s: float) -> list[float]:
    """Chain rule: gradient of the layer's output → of its input."""
    gradient = [0.0] * len(x)
    if kind == "conv2d":
        plane, per = len(g) // layer.filters, len(p["kernel"]) // layer.filters
        for f in range(layer.filters):
            local = [g[j] * tanh_slope(y[j]) * s for j in range(f * plane, (f + 1) * plane)]
            for k in range(per):
                gradient[k % len(x)] += p["kernel"][f * per + k] * sum(local) / plane
    elif kind in ("rnn", "lstm"):
        gates, hidden, size = (1 if kind == "rnn" else 4), layer.hidden_size, layer.input_size
        for i in range(size):
            for gate in range(gates):
                for h in range(hidden):
                    w = p["weight_ih"][(gate * hidden + h) * size + i]
                    gradient[i] += w * g[h] * tanh_slope(y[h]) * s * (1 if gates == 1 else 0.25)
    elif kind == "attention":
        width, n = layer.d_model, len(g)
        mixed = [sum(at(p["o"], i * n + j) * g[j] * s for j in range(n)) for i in range(width)]
        for i in range(len(x)):
            for j in range(width):
                k = i * width + j
                gradient[i] += at(p["v"], k) * mixed[j] + 0.3 * (at(p["q"], k) + at(p["k"], k)) * mixed[j]
    elif kind == "norm":
        gradient = [g[j] * (p["gamma"][j] if j < len(p["gamma"]) else 1.0) * s for j in range(len(x))]
    else:
        gradient = [sum(at(p["down"], i * len(g) + j) * g[j] * s for j in range(len(g))) for i in range(len(x))]
    return [cut(v, 10) for v in gradient]


def chain_update(kind: str, layer: Any, p: dict[str, Any], x: Any, y: Any, g: Any, r: float) -> None:
    n = len(g)
    if kind == "conv2d":
        plane, per = n // layer.filters, len(p["kernel"]) // layer.filters
        for f in range(layer.filters):
            mean = sum(g[f * plane : (f + 1) * plane]) / plane
            for k in range(per):
                p["kernel"][f * per + k] += r * x[k % len(x)] * mean
            p["bias"][f] += r * mean
    elif kind == "rnn":
        for h in range(layer.hidden_size):
            for i in range(layer.input_size):
                p["weight_ih"][h * layer.input_size + i] += r * x[i] * g[h] * tanh_slope(y[h])
            p["bias"][h] += r * g[h] * tanh_slope(y[h])
    elif kind == "lstm":
        for gate, share in enumerate((0.6, 0.8, 0.6, 1.0)):
            for h in range(layer.hidden_size):
                local = cut(g[h] * tanh_slope(y[h]), 0.5)
                line = gate * layer.hidden_size + h
                for i in range(layer.input_size):
                    p["weight_ih"][line * layer.input_size + i] += share * cut(r * x[i] * local, 0.5)
                p["bias"][line] += share * cut(r * local, 0.5)
    elif kind == "attention":
        width, size = layer.d_model, layer.d_model // layer.num_heads
        for i in range(width):
            for j in range(n):
                if i * n + j < len(p["o"]):
                    p["o"][i * n + j] += cut(r * x[i] * g[j], 0.5)
        for j in range(len(p["o_bias"])):
            p["o_bias"][j] += cut(r * g[j], 0.5)
        heads = [sum(at(p["o"], i * n + j) * g[j] for j in range(n)) for i in range(width)]
        for h in range(layer.num_heads):
            dot = sum(x[k] * heads[h * size + k] for k in range(size))
            for i in range(size * width):
                place = h * size * width + i
                p["v"][place] += cut(r * x[i % width] * heads[h * size + i // width], 0.5)
                for name in "qk":
                    p[name][place] += x[i % width] * cut(dot * r * 0.1, 0.5)
        for name in ("q_bias", "k_bias", "v_bias"):
            p[name] = [b + sum(g) / n * r * 0.05 for b in p[name]]
    elif kind == "norm":
        for w in p.values():
            for j in range(len(w)):
                w[j] += r * g[j]
    else:
        for i in range(len(x)):
            for j in range(n):
                if i * n + j < len(p["down"]):
                    p["down"][i * n + j] += cut(r * x[i] * g[j], 0.5)
        p["down_bias"] = [b + cut(r * g[j], 0.5) for j, b in enumerate(p["down_bias"])]
        mean = cut(sum(g) / n, 0.5)
        for name in ("gate", "up"):
            p[name] = [w + cut(r * x[i % len(x)] * mean * 0.8, 0.5) for i, w in enumerate(p[name])]
            p[f"{name}_bias"] = [b + cut(r * mean * 0.5, 0.5) for b in p[f"{name}_bias"]]


def legacy_update(kind: str, layer: Any, p: dict[str, Any], x: Any, gap: Any, r: float) -> None:
    n = len(gap)
    mean = sum(gap) / n

    def signal(w: list[float], values: Any, rate: float, start: int = 0, count: int | None = None) -> None:
        for i in range(len(w) if count is None else count):
            w[start + i] += rate * values[i % len(values)]

    if kind == "conv2d":
        plane, per = max(1, n // layer.filters), len(p["kernel"]) // layer.filters
        for f in range(layer.filters):
            part = gap[f * plane : (f + 1) * plane]
            average = sum(part) / len(part) if len(part) else 0.0
            for k in range(per):
                p["kernel"][f * per + k] += average * r * 0.01
            p["bias"][f] += average * r * 0.1
    elif kind in ("rnn", "lstm"):
        gates = 1 if kind == "rnn" else 4
        for name in ("weight_ih", "weight_hh"):
            size = len(p[name]) // gates
            for gate in range(gates):
                signal(p[name], x, r * mean * 0.1, gate * size, size)
        p["bias"] = [b + mean * r * 0.1 for b in p["bias"]]
    elif kind == "attention":
        width, size = layer.d_model, layer.d_model // layer.num_heads
        heads = [sum(at(p["o"], i * n + j) * gap[j] for j in range(n)) for i in range(width)]
        signal(p["o"], gap, r * 0.1)
        for name, rate in (("o_bias", 0.1), ("q_bias", 0.05), ("k_bias", 0.05), ("v_bias", 0.1)):
            p[name] = [b + mean * r * rate for b in p[name]]
        for h in range(layer.num_heads):
            part = heads[h * size : (h + 1) * size]
            dot = sum(a * b for a, b in zip(x, part, strict=False))
            lengths = math.sqrt(sum(v * v for v in x[:size])) * math.sqrt(sum(v * v for v in part))
            cosine = dot / lengths if lengths > 0 else 0.0
            for i in range(size * width):
                place = h * size * width + i
                p["v"][place] += r * part[i // width] * x[i % width]
                for name in "qk":
                    p[name][place] += x[i % width] * r * cosine * 0.2
    elif kind == "norm":
        for name, rate in (("gamma", 0.01), ("beta", 0.1)):
            if name in p:
                p[name] = [w + mean * r * rate for w in p[name]]
    else:
        signal(p["gate"], x, r * mean * 0.001)
        signal(p["up"], x, r * mean * 0.001)
        signal(p["down"], gap, r * mean * 0.001)
        for name in ("gate_bias", "up_bias", "down_bias"):
            p[name] = [b + mean * r * 0.1 for b in p[name]]


def family(kind: str) -> str:
    return {"multi_head_attention": "attention", "layer_norm": "norm", "rms_norm": "norm"}.get(kind, kind)


FACTORS = {"conv2d": 0.1, "rnn": 0.5, "lstm": 0.5, "attention": 0.2, "norm": 0.1, "swiglu": 0.2}


@pytest.mark.parametrize("chain", [True, False], ids=["chain rule", "legacy"])
@pytest.mark.parametrize("name", KINDS)
def test_heuristics_equal_the_original(name: str, chain: bool) -> None:
    network, p = make(KINDS[name])
    state = TweenState(network, TweenConfig(use_chain_rule=chain))
    layer: Any = network.layers[1]
    state.tween_step(network, np.random.default_rng(3).normal(0, 1, 12), 1, 2, RATE)
    x, y = state.forward_acts[1], state.forward_acts[2]
    kind = family(layer.kind)
    if chain:
        g = state.chain_gradients[2].tolist()
        assert state.chain_gradients[1] == pytest.approx(down(kind, layer, p, x, y, g, 1.2), rel=1e-12)
        chain_update(kind, layer, p, x, y, g, RATE * FACTORS[kind] * 1.2)
    else:
        gap = state.backward_targets[2][: y.size] - y[: state.backward_targets[2].size]
        assert np.array_equal(state.backward_targets[1], state.backward_targets[2])
        legacy_update(kind, layer, p, x, gap.tolist(), RATE * (0.5 + 0.5 * state.link_budgets[1]) * FACTORS[kind])
    for parameter, expected in p.items():
        assert network.params[1][parameter].ravel() == pytest.approx(expected, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("rule", ["chain_rule", "legacy"])
@pytest.mark.parametrize("name", ["softmax", "parallel", "embedding", "conv1d", "sequential", "residual"])
def test_kinds_without_a_rule_pass_on_and_stay(name: str, rule: str) -> None:
    network = build_network_from_json(examples.network_config(name), seed=0).astype(np.float64)
    index = 0 if name == "embedding" else 1
    before = {path: a.copy() for path, a in network.parameters.items()}
    state = TweenState(network, {"Mode": rule})
    x = np.random.default_rng(0).integers(0, examples.TOKENS, 12).astype(float)
    state.tween_step(network, x, 0, 2, 1.0)
    for path, a in network.parameters.items():
        if path.startswith(f"layers.{index}."):
            assert np.array_equal(a, before[path])
    assert any(not np.array_equal(a, before[path]) for path, a in network.parameters.items())
    if rule == "chain_rule":
        g, gx = state.chain_gradients[index + 1], state.chain_gradients[index]
        n = min(g.size, gx.size)
        assert np.array_equal(g[:n], gx[:n])
        assert not gx[n:].any()


@pytest.mark.parametrize("name", examples.EXAMPLES)
def test_principled_steps_are_gradient_steps(name: str) -> None:
    """Without momentum a step moves every parameter by −rate · factor · ∂/∂w of half the squared error."""
    network = build_network_from_json(examples.network_config(name), seed=0).astype(np.float64)
    rng = np.random.default_rng(2)
    for a in network.parameters.values():
        a[...] = rng.normal(0, 0.6, a.shape)
    x: Any = rng.normal(0, 1, (1, 12))
    if name == "embedding":
        x = rng.integers(0, examples.TOKENS, (1, 12)).astype(float)

    def objective() -> float:
        y, _, _ = network.trace_forward(network.ops, network.params, x, training=True)
        return 0.5 * float(((y - [[0.0, 1.0]]) ** 2).sum())

    slopes = {path: numeric(objective, a) for path, a in network.parameters.items()}
    before = {path: a.copy() for path, a in network.parameters.items()}
    config = TweenConfig(mode="principled", momentum=0.0)
    state = TweenState(network, config)
    loss = state.tween_step(network, x, 1, 2, RATE)
    worst = 0.0
    floor = 1e-3 * max(1.0, *(float(np.linalg.norm(s)) for s in slopes.values()))
    for path, a in network.parameters.items():
        rate = RATE * config.layer_rate(network.layers[int(path.split(".")[1])].kind)
        worst = max(worst, relative_error((a - before[path]) / rate, -slopes[path], floor))
    row("principled tweening against central differences", f"{name:<24}{worst:.1e}")
    assert worst < 1e-6
    assert objective() < loss / 2


def test_principled_gradients_of_the_buffers_include_the_residual_stream() -> None:
    config = {
        "layers": [
            {"type": "dense", "input_size": 4, "output_size": 4, "activation": "tanh"},
            {"type": "rms_norm"},
            {"type": "swiglu", "output_size": 5},
            {"type": "dense", "output_size": 2},
        ]
    }
    network = build_network_from_json(config, seed=0).astype(np.float64)
    state = TweenState(network, {"Mode": "principled"})
    x = np.array([0.4, -0.2, 0.9, 0.1])
    state.calculate_link_budgets_from_sample(network, x, 0)
    network.forward(x)
    gap = np.array([1.0, 0.0]) - network.activations()[-1]
    np.testing.assert_allclose(state.chain_gradients[0], network.backward(gap).ravel(), rtol=1e-12)


def test_principled_learns_what_the_heuristics_leave_alone() -> None:
    network = build_network_from_json(examples.network_config("parallel"), seed=0)
    before = {path: a.copy() for path, a in network.parameters.items()}
    state = TweenState(network, {"Mode": "principled"})
    rng = np.random.default_rng(0)
    for _ in range(5):
        state.tween_batch(network, list(rng.normal(0, 1, (4, 12))), [0, 1, 0, 1], 2, 0.1)
    assert [path for path, a in network.parameters.items() if np.array_equal(a, before[path])] == []
