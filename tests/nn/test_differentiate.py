"""Every hand-written `backward` against `differentiate` of the traced forward pass, in float64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom_py import Network, build_network_from_json
from loom_py.nn.dense import Dense
from loom_py.runtime.program import Program
from loom_py.runtime.replay import replay
from loom_py.runtime.transforms import differentiate
from loom_py.training.losses import Loss
from loom_py.training.optimisers import SGD
from loom_py.training.step import StepPlan
from loom_py.training.trace import trace_backward, trace_forward, trace_training_step

from . import strategies
from .examples import EXAMPLES, TOKENS, network_config
from .test_gradients import LAYERS

LIMIT = 1e-12
SIZES = {"conv2d": 24, "mha": 12, "block": 12, "twice": 12, "three levels": 12, "RMS": 12}
STATEFUL = ("rnn", "lstm", "qrnn", "sru")
CONFIGS: dict[str, dict[str, Any]] = {
    **{
        name: {"input_size": next((n for part, n in SIZES.items() if part in name), 6), "layers": [layer]}
        for name, layer in LAYERS.items()
    },
    **{f"{name}, between dense layers": network_config(name) for name in EXAMPLES},
    **{f"{kind}, stateful": {"layers": [{**EXAMPLES[kind], "stateful": True}]} for kind in STATEFUL},
}


def prepared(config: dict[str, Any], rng: np.random.Generator) -> Network:
    """In float64, with weights large enough that no part of a gradient hides."""
    network = build_network_from_json(config, seed=1).astype(np.float64)
    for a in network.parameters.values():
        a[...] = rng.normal(0, 0.7, a.shape)
    return network


def states(network: Network, program: Program, rng: np.random.Generator) -> dict[str, Any]:
    """All state of a program: weights, buffers, and random numbers for what is carried from call to call."""
    state = {name: a.copy() for name, a in (network.parameters | network.buffers).items()}
    for name, index in program.state.items():
        if name not in state:
            state[name] = rng.normal(size=program.buffers[index].shape)
    return state


def compare(expected: dict[str, Any], actual: dict[str, Any], names: list[str]) -> None:
    assert names
    size = max(float(np.abs(expected[name]).max()) for name in names)
    for name in names:
        worst = float(np.abs(actual[name] - expected[name]).max())
        assert worst <= LIMIT * max(1.0, size), name


def check(network: Network, x: Any, rng: np.random.Generator) -> None:
    """The same gradients from `trace_backward`, which calls `Layer.backward`, and from `differentiate`."""
    forward = trace_forward(network, x)
    by_hand = trace_backward(network, x)
    program = differentiate(forward, "y", ["x", *network.parameters])
    state = states(network, forward, rng)
    gy = rng.normal(size=forward.buffers[forward.outputs["y"]].shape)
    expected = replay(by_hand, {"x": x, "gy": gy}, {k: v.copy() for k, v in state.items()}, draw=3)
    expected["gradient.x"] = expected.pop("gx")
    actual = replay(program, {"x": x, "gradient.y": gy}, {k: v.copy() for k, v in state.items()}, draw=3)
    compare(expected, actual, [*expected])


def inputs(name: str, network: Network, rng: np.random.Generator, rows: int = 3) -> Any:
    width = network.input_size or 12
    if name.startswith("embedding"):
        return rng.integers(0, TOKENS, (rows, width)).astype(np.float64)
    return rng.normal(size=(rows, width))


@pytest.mark.parametrize("name", CONFIGS)
def test_a_backward_is_what_differentiate_makes(name: str) -> None:
    rng = np.random.default_rng(0)
    network = prepared(CONFIGS[name], rng)
    check(network, inputs(name, network, rng), rng)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.network(), st.integers(0, 1000))
def test_random_networks(config: tuple[dict[str, Any], int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    check(prepared(config[0], rng), rng.normal(size=(2, config[1])), rng)


@pytest.mark.parametrize("loss", ["mse", "huber", "bce"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_loss_of_a_training_step(name: str, loss: str) -> None:
    """Statistics of the batch, noise, and weights that the same program overwrites behind the loss."""
    rng = np.random.default_rng(2)
    network = prepared(network_config(name), rng)
    x, target = inputs(name, network, rng, rows=5), rng.uniform(size=(5, 2))
    step = trace_training_step(network, StepPlan(loss=Loss(loss), optimiser=SGD()), x, target)
    program = differentiate(replace(step, outputs={"loss": step.outputs["loss"]}), "loss", network.parameters)
    results: list[dict[str, Any]] = []
    for p in (step, program):
        state = states(network, p, np.random.default_rng(3))
        results.append(replay(p, {"x": x, "target": target}, state, lr=0.1, step=1, draw=2))
    names = [f"gradient.{name}" for name in network.parameters]
    compare(results[0], results[1], [*names, "loss"])


def test_a_wrong_backward_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Dense.backward
    monkeypatch.setattr(Dense, "backward", lambda self, ops, p, cache, gy: right(self, ops, p, cache, ops.scale(gy, 2)))
    with pytest.raises(AssertionError):
        test_a_backward_is_what_differentiate_makes("dense, tanh")
