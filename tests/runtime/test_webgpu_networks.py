"""Whole networks through the WGSL kernels: both passes, and ten optimiser steps, against NumPy in float64."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from loom_py import build_network_from_json
from loom_py.errors import DeviceError, InputError
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost
from loom_py.training.losses import Loss
from loom_py.training.optimisers import SGD, Optimiser
from loom_py.training.step import StepPlan
from loom_py.training.trace import trace_backward, trace_forward, trace_training_step

from ..nn.examples import IN_SIZE, TOKENS
from .test_networks import CONFIGS, ONE_PASS, OPTIMISERS, TEN_STEPS, compare, initial, samples

PLAN = StepPlan(loss=Loss("mse"), optimiser=SGD())
SENTENCES = {
    "input_size": IN_SIZE,
    "layers": [
        {"type": "embedding", "vocab_size": TOKENS, "embedding_dim": 8},
        {"type": "layer_norm", "norm_size": 8},
        {"type": "mha", "d_model": 8, "num_heads": 4, "num_kv_heads": 2, "seq_length": IN_SIZE},
        {"type": "rms_norm", "norm_size": 8},
        {"type": "dense", "output_size": 2, "activation": "tanh"},
    ],
}
"""Every layer of a small language model."""


@pytest.fixture(scope="module")
def device() -> Iterator[WebGPUDevice]:
    instance = WebGPUDevice(WgpuHost())
    yield instance
    instance.close()


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("rows", [1, 3])
def test_forward_and_backward(device: WebGPUDevice, kind: str, rows: int) -> None:
    network = build_network_from_json(CONFIGS[kind], seed=1)
    feeds: list[dict[str, Any]] = [
        {**batch, "gy": batch["target"], "draw": i} for i, batch in enumerate(samples(kind, rows, 2))
    ]
    for trace in (trace_forward, trace_backward):
        program = trace(network, feeds[0]["x"])
        compare(device, program, initial(network, program), feeds, ONE_PASS)
    assert device.host.used() == (0, 0)


def ten_steps(device: WebGPUDevice, config: Any, kind: str, optimiser: Optimiser) -> None:
    network = build_network_from_json(config, seed=1)
    feeds = [{**batch, "lr": 0.05 / (1 + i), "step": i + 1, "draw": i} for i, batch in enumerate(samples(kind, 3, 10))]
    plan = StepPlan(loss=Loss("huber"), optimiser=optimiser, clip_norm=0.5, clip_value=0.4)
    program = trace_training_step(network, plan, feeds[0]["x"], feeds[0]["target"])
    compare(device, program, initial(network, program), feeds, TEN_STEPS)
    assert device.host.used() == (0, 0)


@pytest.mark.parametrize("kind", CONFIGS)
def test_ten_steps(device: WebGPUDevice, kind: str) -> None:
    for optimiser in OPTIMISERS[1:3]:
        ten_steps(device, CONFIGS[kind], kind, optimiser)


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=lambda o: f"{o.name}-{bool(getattr(o, 'momentum', 0))}")
def test_ten_steps_of_a_language_model(device: WebGPUDevice, optimiser: Optimiser) -> None:
    ten_steps(device, SENTENCES, "embedding", optimiser)


def test_an_input_that_is_no_token_stops_the_program(device: WebGPUDevice) -> None:
    """Before a replay, and in a table of batches before there is a program."""
    network = build_network_from_json(CONFIGS["embedding"], seed=1)
    good, bad = samples("embedding", 2, 2)
    bad["x"][1, 3] = TOKENS
    program = trace_training_step(network, PLAN, good["x"], good["target"])
    state = initial(network, program)
    uploaded = {name: device.upload(a) for name, a in state.items()}
    used = device.host.used()
    fault = rf"input\[{IN_SIZE + 3}\]: {TOKENS} is not a token id below {TOKENS}"
    tables = {name: np.stack([good[name], bad[name]]) for name in ("x", "target")}
    with pytest.raises(InputError, match=fault):
        device.compile(program, uploaded, tables=tables, keep=2)
    assert device.host.used() == used
    executable = device.compile(program, uploaded)
    with pytest.raises(InputError, match=fault):
        executable.run(bad, lr=0.1, step=1)
    for name, a in state.items():
        assert device.download(uploaded[name]).tobytes() == a.tobytes(), name
    executable.run(good, lr=0.1, step=1)
    assert any(device.download(uploaded[name]).tobytes() != a.tobytes() for name, a in state.items())
    executable.free()
    for tensor in uploaded.values():
        device.free(tensor)


def test_token_ids_that_a_layer_computes_are_refused(device: WebGPUDevice) -> None:
    """A GPU could not stop at one that is none."""
    layers = [{"type": "dense", "output_size": 3}, {"type": "embedding", "vocab_size": 5, "embedding_dim": 2}]
    network = build_network_from_json({"input_size": 3, "layers": layers}, seed=1)
    for name, value in network.parameters.items():
        if name.startswith("layers.0"):
            value[...] = 0
    program = trace_forward(network, np.zeros((1, 3), np.float32))
    with pytest.raises(DeviceError, match="decides which token ids there are"):
        device.compile(program, {})
