"""Convolutions and recurrences on a GPU: whole networks against NumPy in float64, and which dispatches they take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from loom_py import build_network_from_json
from loom_py.runtime.trace import TracingOps
from loom_py.runtime.verify import cases
from loom_py.runtime.webgpu import WebGPUDevice, conv, matmul, recurrent
from loom_py.runtime.webgpu.wgpu_host import WgpuHost
from loom_py.training.losses import Loss
from loom_py.training.optimisers import Optimiser
from loom_py.training.step import StepPlan
from loom_py.training.trace import trace_backward, trace_forward, trace_training_step

from .test_kernels import on_device, same
from .test_networks import ONE_PASS, OPTIMISERS, TEN_STEPS, compare, initial

CONV: dict[str, Any] = {"type": "conv2d", "kernel_size": 3, "padding": 1, "activation": "tanh"}
SEQUENCE: dict[str, Any] = {"input_size": 6, "seq_length": 5}
NETWORKS: dict[str, list[dict[str, Any]]] = {
    "convolution": [
        {**CONV, "input_channels": 2, "input_height": 11, "input_width": 9, "filters": 20},
        {**CONV, "input_channels": 20, "input_height": 11, "input_width": 9, "filters": 18, "stride": 2},
    ],
    "convolution over one axis": [
        {"type": "conv1d", "input_channels": 3, "input_length": 40, "filters": 5, "kernel_size": 4, "stride": 3},
        {"type": "conv1d", "input_channels": 5, "filters": 7, "kernel_size": 3, "activation": "gelu"},
    ],
    "rnn": [
        {"type": "rnn", **SEQUENCE, "hidden_size": 70},
        {"type": "rnn", "input_size": 70, "seq_length": 5, "hidden_size": 12, "stateful": True},
    ],
    "lstm": [
        {"type": "lstm", **SEQUENCE, "hidden_size": 40, "stateful": True},
        {"type": "lstm", "input_size": 40, "seq_length": 5, "hidden_size": 12},
    ],
    "wide rnn": [{"type": "rnn", **SEQUENCE, "hidden_size": 258}],
    "wide lstm": [{"type": "lstm", **SEQUENCE, "hidden_size": 258}],
}


@pytest.fixture(scope="module")
def device() -> Iterator[WebGPUDevice]:
    instance = WebGPUDevice(WgpuHost())
    yield instance
    instance.close()


def build(kind: str) -> Any:
    return build_network_from_json({"layers": [*NETWORKS[kind], {"type": "dense", "output_size": 2}]}, seed=1)


def batches(network: Any, rows: int, count: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(5)
    width = network.layers[0].in_size
    return [
        {name: rng.normal(size=(rows, n)).astype(np.float32) for name, n in (("x", width), ("target", 2), ("gy", 2))}
        for _ in range(count)
    ]


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("rows", [1, 6])
def test_forward_and_backward(device: WebGPUDevice, kind: str, rows: int) -> None:
    network = build(kind)
    feeds = batches(network, rows, 2)
    for trace in (trace_forward, trace_backward):
        program = trace(network, feeds[0]["x"])
        compare(device, program, initial(network, program), feeds, ONE_PASS)
    assert device.host.used() == (0, 0)


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=lambda o: f"{o.name}-{bool(getattr(o, 'momentum', 0))}")
@pytest.mark.parametrize("kind", NETWORKS)
def test_ten_steps(device: WebGPUDevice, kind: str, optimiser: Optimiser) -> None:
    network = build(kind)
    feeds = [{**batch, "lr": 0.01 / (1 + i), "step": i + 1} for i, batch in enumerate(batches(network, 3, 10))]
    plan = StepPlan(loss=Loss("huber"), optimiser=optimiser, clip_norm=0.5, clip_value=0.4)
    program = trace_training_step(network, plan, feeds[0]["x"], feeds[0]["target"])
    compare(device, program, initial(network, program), feeds, TEN_STEPS)
    assert device.host.used() == (0, 0)


@pytest.mark.parametrize("kernel", ["conv2d", "conv2d_grad", "rnn_sequence", "lstm_sequence", "lstm_sequence_grad"])
def test_few_workgroups_take_everything(device: WebGPUDevice, monkeypatch: pytest.MonkeyPatch, kernel: str) -> None:
    """Work beyond the most workgroups that a dispatch may have, with the same result to the last bit."""
    for case in cases.of(kernel):
        expected = on_device(device, case)
        with monkeypatch.context() as patch:
            for module in (conv, matmul, recurrent):
                patch.setattr(module, "MAX_GROUPS", 2)
            actual = on_device(device, case)
        assert all(same(value, expected[name]) for name, value in actual.items()), str(case)


def entries(device: WebGPUDevice, program: Any, shader: str) -> list[tuple[str, bool]]:
    """(entry, whether the matrix is in workgroup memory) of the shader's dispatches."""
    state = {n: device.upload(np.zeros(program.buffers[i].shape, np.float32)) for n, i in program.state.items()}
    executable = device.compile(program, state)
    pipelines = [executable.plan.pipelines[dispatch[0]] for dispatch in executable.plan.dispatches]
    executable.free()
    for tensor in state.values():
        device.free(tensor)
    return [(p["entry"], bool(p["constants"].get("KEPT"))) for p in pipelines if p["shader"] == shader]


@pytest.mark.parametrize(
    ("size", "rnn", "lstm"),
    [
        (30, [("sequence", True)], [("sequence", True)]),
        (31, [("sequence", True)], [("sequence", True)]),
        (32, [("sequence", True)], [("sequence", False)]),
        (62, [("sequence", True)], [("sequence", False)]),
        (63, [("sequence", False)], [("sequence", False)]),
        (256, [("sequence", False)], [("sequence", False)]),
        (257, [("single", False)] * 3, [("single", False)] * 3),
    ],
)
def test_a_sequence_takes_one_dispatch_where_it_fits(
    device: WebGPUDevice, size: int, rnn: list[tuple[str, bool]], lstm: list[tuple[str, bool]]
) -> None:
    for kind, gates, expected in (("rnn", 1, rnn), ("lstm", 4, lstm)):
        ops: Any = TracingOps(kind)
        zx = ops.tensor(np.zeros((1, 3, gates * size), np.float32), "input", "zx")
        start = [np.zeros((1, size), np.float32)] * (1 if kind == "rnn" else 2)
        results = getattr(ops, f"{kind}_sequence")(zx, np.zeros((gates * size, size), np.float32), *start)
        ops.output("h", results if kind == "rnn" else results[0])
        assert entries(device, ops.program, f"recurrent_{kind}") == expected


def test_the_gradient_of_a_first_layers_input_is_left_out(device: WebGPUDevice) -> None:
    network = build("convolution")
    feed = batches(network, 2, 1)[0]
    plan = StepPlan(loss=Loss("mse"), optimiser=OPTIMISERS[0])
    training = trace_training_step(network, plan, feed["x"], feed["target"])
    assert len(entries(device, training, "conv_kernel")) == 2 * 2
    assert len(entries(device, training, "conv_input")) == 1
    assert len(entries(device, trace_backward(network, feed["x"]), "conv_input")) == 2
