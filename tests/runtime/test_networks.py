"""Whole networks on a device: both passes, and ten optimiser steps, against the same programs on NumPy in float64."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom_py import Network, build_network_from_json
from loom_py.errors import InputError
from loom_py.nn.activation import NAMES
from loom_py.runtime.device import Device
from loom_py.runtime.program import Program
from loom_py.runtime.replay import replay
from loom_py.runtime.transforms import differentiate
from loom_py.training.losses import Loss
from loom_py.training.optimisers import SGD, AdamW, Optimiser, RMSprop
from loom_py.training.step import StepPlan
from loom_py.training.trace import trace_backward, trace_forward, trace_training_step

from ..nn import strategies
from ..nn.examples import EXAMPLES, IN_SIZE, TOKENS, network_config
from .devices import DEVICES
from .test_kernels import error

ONE_PASS = 1e-5
TEN_STEPS = 1e-4  # rounding of one step is the next one's start
OPTIMISERS: list[Optimiser] = [
    SGD(),
    SGD(momentum=0.9, nesterov=True),
    AdamW(epsilon=1e-3, weight_decay=0.1),
    RMSprop(momentum=0.5, epsilon=1e-3),
]
SOFTMAXES: dict[str, dict[str, Any]] = {
    "grid": {"softmax_rows": 3},
    "hierarchical": {"hierarchy_levels": [3, 4]},
    "gumbel": {"temperature": 0.7, "seed": 5},
    "masked": {"mask": [True, False] * 6},
    "sparse": {},
    "adaptive": {"adaptive_clusters": [[1, 2, 5]]},
    "mixture": {"mixture_components": 2},
    "entmax": {"entmax_alpha": 1.3},
}
CONFIGS = {kind: network_config(kind) for kind in EXAMPLES}
CONFIGS |= {
    f"softmax, {variant}": {
        "input_size": IN_SIZE,
        "layers": [
            {"type": "dense", "output_size": IN_SIZE, "activation": "tanh"},
            {"type": "softmax", "softmax_variant": variant, **extra},
            {"type": "dense", "output_size": 2, "activation": "sigmoid"},
        ],
    }
    for variant, extra in SOFTMAXES.items()
}
CONFIGS |= {
    f"dense, {name}": {
        "input_size": IN_SIZE,
        "layers": [
            {"type": "dense", "output_size": 7, "activation": name},
            {"type": "dense", "output_size": 2, "activation": "linear"},
        ],
    }
    for name in NAMES
}
CONFIGS["stateful lstm"] = {
    "input_size": IN_SIZE,
    "layers": [
        {"type": "lstm", "input_size": 4, "hidden_size": 3, "seq_length": 3, "stateful": True},
        {"type": "dense", "output_size": 2},
    ],
}


@pytest.fixture(scope="module", params=[name for name in DEVICES if name != "simd-relaxed-5"])
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    instance = DEVICES[request.param]()
    yield instance
    instance.close()


def samples(kind: str, rows: int, count: int) -> list[dict[str, Any]]:
    """Batches of inputs and targets."""
    rng = np.random.default_rng(7)
    batches = []
    for _ in range(count):
        x = rng.integers(0, TOKENS, (rows, IN_SIZE)) if kind == "embedding" else rng.normal(size=(rows, IN_SIZE))
        batches.append({"x": x.astype(np.float32), "target": rng.normal(size=(rows, 2)).astype(np.float32)})
    return batches


def initial(network: Network, program: Program) -> dict[str, Any]:
    """The program's state at the start: the network's weights, and zeros."""
    buffers = program.buffers
    state = {name: np.zeros(buffers[i].shape, buffers[i].dtype) for name, i in program.state.items()}
    return state | {name: a.copy() for name, a in (network.parameters | network.buffers).items() if name in state}


def wide(values: dict[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(a, np.float64) for name, a in values.items()}


def compare(
    device: Device,
    program: Program,
    state: dict[str, Any],
    feeds: list[dict[str, Any]],
    limit: float,
    least: float = 0.0,
) -> None:
    """Replay with one feed after another (inputs, and dynamic numbers by name) and compare outputs and state.

    `least`: the least value that the norm of a reference counts as; 0 by cancellation is 1e-7 in float32, and AdamW
    makes it larger by lr / ε.
    """
    uploaded = {name: device.upload(a) for name, a in state.items()}
    executable = device.compile(program, uploaded)
    reference = wide(state)

    def check(actual: Any, ref: Any, name: str) -> None:
        difference = np.linalg.norm(np.subtract(actual, ref, dtype=np.float64))
        assert difference <= limit * max(float(np.linalg.norm(ref)), least), name

    for feed in feeds:
        inputs = {name: feed[name] for name in program.inputs}
        numbers = {name: feed[name] for name in program.dynamics}
        expected = replay(program, wide(inputs), reference, **numbers)
        for name, actual in executable.run(inputs, **numbers).items():
            check(actual, expected[name], name)
    for name, tensor in uploaded.items():
        check(device.download(tensor), reference[name], name)
    executable.free()
    for tensor in uploaded.values():
        device.free(tensor)


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("rows", [1, 3])
def test_forward_and_backward(device: Device, kind: str, rows: int) -> None:
    network = build_network_from_json(CONFIGS[kind], seed=1)
    feeds: list[dict[str, Any]] = [
        {**batch, "gy": batch["target"], "gradient.y": batch["target"], "draw": i}
        for i, batch in enumerate(samples(kind, rows, 2))
    ]
    forward = trace_forward(network, feeds[0]["x"])
    backward = trace_backward(network, feeds[0]["x"])
    for program in (forward, backward, differentiate(forward, "y", ["x", *network.parameters])):
        compare(device, program, initial(network, program), feeds, ONE_PASS)


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=lambda o: f"{o.name}-{bool(getattr(o, 'momentum', 0))}")
@pytest.mark.parametrize("kind", CONFIGS)
def test_ten_steps(device: Device, kind: str, optimiser: Optimiser) -> None:
    network = build_network_from_json(CONFIGS[kind], seed=1)
    feeds = [{**batch, "lr": 0.05 / (1 + i), "step": i + 1, "draw": i} for i, batch in enumerate(samples(kind, 3, 10))]
    plan = StepPlan(loss=Loss("huber"), optimiser=optimiser, clip_norm=0.5, clip_value=0.4)
    program = trace_training_step(network, plan, feeds[0]["x"], feeds[0]["target"])
    compare(device, program, initial(network, program), feeds, TEN_STEPS)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.network(), st.sampled_from(OPTIMISERS), st.integers(1, 3), st.integers(0, 100))
def test_random_networks(device: Device, config: Any, optimiser: Optimiser, rows: int, seed: int) -> None:
    """One step: some of them are so ill-conditioned that a second one depends on the first one's rounding."""
    network = build_network_from_json(config[0], seed=seed)
    rng = np.random.default_rng(seed)
    width = network.forward(np.zeros((rows, config[1]))).size // rows
    feed: dict[str, Any] = {
        **{"x": rng.normal(size=(rows, config[1])).astype(np.float32), "lr": 0.05, "step": 1, "draw": seed},
        "target": rng.normal(size=(rows, width)).astype(np.float32),
    }
    plan = StepPlan(loss=Loss("mse"), optimiser=optimiser, clip_norm=1.0)
    program = trace_training_step(network, plan, feed["x"], feed["target"])
    compare(device, program, initial(network, program), [feed], TEN_STEPS, least=1.0)


def test_grid_scatter_learns_what_numpy_learns(device: Device, grid_scatter: dict[str, Any]) -> None:
    """800 epochs in one call: the loss at the end, and outputs after it."""
    network = build_network_from_json(grid_scatter["network"], seed=1)
    x = np.array([b["Input"] for b in grid_scatter["batches"]], np.float32)[:, None]
    target = np.array([b["Target"] for b in grid_scatter["batches"]], np.float32)[:, None]
    plan = StepPlan(loss=Loss("mse"), optimiser=SGD(), clip_norm=1.0)
    program = trace_training_step(network, plan, x[0], target[0])
    state = initial(network, program)
    uploaded = {name: device.upload(a) for name, a in state.items()}
    steps = 800 * len(x)
    executable = device.compile(program, uploaded, tables={"x": x, "target": target}, keep=steps, kept=("loss",))
    losses = executable.run_many({"lr": 0.15, "row": np.arange(steps) % len(x)}, steps)["loss"]
    expected = [
        float(replay(program, {"x": x[i % len(x)], "target": target[i % len(x)]}, state, lr=0.15)["loss"])
        for i in range(40)
    ]
    assert error(losses[:40], expected) < TEN_STEPS
    assert losses[-len(x) :].mean() < losses[: len(x)].mean() / 50
    executable.free()


def test_an_input_that_is_no_token_stops_the_program(device: Device) -> None:
    network = build_network_from_json(CONFIGS["embedding"], seed=1)
    good, bad = samples("embedding", 2, 2)
    bad["x"][1, 3] = TOKENS
    plan = StepPlan(loss=Loss("mse"), optimiser=SGD())
    program = trace_training_step(network, plan, good["x"], good["target"])
    state = initial(network, program)
    uploaded = {name: device.upload(a) for name, a in state.items()}
    executable = device.compile(program, uploaded)
    with pytest.raises(InputError, match=rf"input\[{IN_SIZE + 3}\]: {TOKENS} is not a token id below {TOKENS}"):
        executable.run(bad, lr=0.1, step=1)
    for name, a in state.items():
        assert device.download(uploaded[name]).tobytes() == a.tobytes(), name
    executable.run(good, lr=0.1, step=1)
    assert any(device.download(uploaded[name]).tobytes() != a.tobytes() for name, a in state.items())
