"""The WGSL kernels through wgpu-py: parity with float64, and the device's other guarantees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from loom_py import build_network_from_json
from loom_py.errors import DeviceError, DeviceLost
from loom_py.runtime import choice
from loom_py.runtime.choice import Devices, devices, use_device
from loom_py.runtime.kernel import KERNELS as VOCABULARY
from loom_py.runtime.pending import finished
from loom_py.runtime.trace import TracingOps
from loom_py.runtime.verify import Checked, cases, check_device
from loom_py.runtime.verify.cases import Case
from loom_py.runtime.verify.check import LIMIT, error, reference
from loom_py.runtime.webgpu import WebGPUDevice, attention, encode, norm, shaders
from loom_py.runtime.webgpu.encode import KERNELS
from loom_py.runtime.webgpu.wgpu_host import WgpuHost
from loom_py.training.device_step import DeviceUpdates
from loom_py.training.losses import Loss
from loom_py.training.optimisers import read_optimiser
from loom_py.training.step import StepPlan, flat
from loom_py.training.trace import trace_forward

from .test_kernels import on_device

CASES = [case for case in cases.every() if case.kernel in KERNELS]


@pytest.fixture(scope="module")
def device() -> Iterator[WebGPUDevice]:
    instance = WebGPUDevice(WgpuHost())  # fails, saying what to install, where there is no adapter
    yield instance
    instance.close()


def test_every_kernel_has_an_encoder() -> None:
    """But those that only gradients of mixtures of experts need."""
    missing = {name for name, kernel in VOCABULARY.items() if name not in KERNELS and kernel.family != "experts"}
    assert not missing


@pytest.mark.parametrize("case", CASES, ids=str)
def test_kernel(device: WebGPUDevice, case: Case) -> None:
    expected, actual = reference(case), on_device(device, case)
    assert expected.keys() == actual.keys()
    for name, ref in expected.items():
        assert actual[name].shape == ref.shape, name
        assert np.isfinite(actual[name]).all(), name
        assert error(actual[name], ref) < LIMIT, name
    assert device.host.used() == (0, 0)


LOOPS = (
    *("softmax", "masked_softmax", "temper", "softmax_grad", "sparsemax", "entmax", "entmax_grad", "tree_softmax"),
    *(
        "tree_softmax_grad",
        "rms_norm",
        "rms_norm_grad",
        "layer_norm",
        "layer_norm_grad",
        "attend",
        "attend_grad",
        "attention_grad",
    ),
    *("embedding_grad", "mix_grad", "loss", "loss_grad", "token_loss", "token_loss_grad"),
)


@pytest.mark.parametrize("kernel", LOOPS)
def test_few_workgroups_take_many_rows(device: WebGPUDevice, monkeypatch: pytest.MonkeyPatch, kernel: str) -> None:
    """As a million rows would need, and sequences one at a time, as long ones would."""
    monkeypatch.setattr(encode, "MAX_GROUPS", 40 if "norm" in kernel else 6)
    monkeypatch.setattr(attention, "SCRATCH", 1)
    monkeypatch.setattr(norm, "PARTS", 2)
    for case in cases.of(kernel):
        for name, ref in reference(case).items():
            assert error(on_device(device, case)[name], ref) < LIMIT, f"{case}: {name}"


def test_a_wrong_kernel_is_detected(device: WebGPUDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check for users: no fault, or the kernel, the case and the error."""
    monkeypatch.setattr(cases, "GENERATORS", {name: cases.GENERATORS[name] for name in ("add", "mul", "sgd_step")})
    assert [c.problem for c in check_device(device) if isinstance(c, Checked)] == ["", "", ""]
    monkeypatch.setitem(KERNELS, "mul", lambda e, d: KERNELS["add"](e, replace(d, kernel="add")))
    broken = [c for c in check_device(device) if isinstance(c, Checked) and c.problem]
    assert [c.kernel for c in broken] == ["mul"]
    assert "error" in broken[0].problem
    assert broken[0].error > 0.1


def mlp(activation: str, loss: str) -> dict[str, Any]:
    last = {"cross_entropy": "sigmoid", "bce": "sigmoid"}.get(loss, "linear")
    dense = {"type": "dense", "input_size": 9, "output_size": 33, "activation": activation}
    return {"layers": [dense, {**dense, "input_size": 33, "output_size": 5, "activation": last}]}


TRAININGS = [
    ("tanh", "mse", {}),
    ("gelu", "huber", {"Optimizer": {"Type": "sgd", "Momentum": 0.9, "Nesterov": True}, "GradientClip": 0.5}),
    ("silu", "cross_entropy_logits", {"Optimizer": {"Type": "adamw", "WeightDecay": 0.01}}),
    ("relu", "bce", {"Optimizer": {"Type": "rmsprop", "Momentum": 0.5}, "GradientClipValue": 0.1}),
    ("mish", "mae", {"Optimizer": "adamw", "AccumulationSteps": 2}),
]


def train(name: str, activation: str, loss: str, options: dict[str, Any]) -> tuple[Any, Any]:
    network = build_network_from_json(mlp(activation, loss), seed=3)
    rng = np.random.default_rng(0)
    batches = [
        {"Input": rng.normal(size=(rows, 9)).astype(np.float32), "Target": rng.random((rows, 5)).astype(np.float32)}
        for rows in (6, 6, 3, 6, 3)
    ]
    before, devices.preference = devices.preference, name
    try:
        result = network.train(batches, {"Epochs": 2, "LearningRate": 0.01, "LossType": loss, **options})
    finally:
        devices.preference = before
    return network, result


@pytest.mark.parametrize(("activation", "loss", "options"), TRAININGS)
def test_ten_updates_of_a_dense_network(
    device: WebGPUDevice, activation: str, loss: str, options: dict[str, Any]
) -> None:
    devices.add(device)
    expected, reference_result = train("numpy", activation, loss, options)
    network, result = train("webgpu", activation, loss, options)
    if "AccumulationSteps" not in options:
        assert network.get_device() == {"device": "webgpu", "reason": "asked for"}
    np.testing.assert_allclose(result.loss_history, reference_result.loss_history, rtol=1e-5)
    for name, value in expected.parameters.items():
        assert error(network.parameters[name], value) < 1e-4, name
    assert device.host.used() == (0, 0)


def test_many_steps_in_one_submit_leave_no_buffers(device: WebGPUDevice) -> None:
    ops: Any = TracingOps("counter")
    total = ops.tensor(np.zeros(3, np.float32), "state", "total")
    x = ops.tensor(np.zeros(3, np.float32), "input", "x")
    ops.accumulate(total, x, 0.5)
    ops.sgd_step(total, x, ops.dynamic("lr", 0.0))
    ops.output("y", ops.add(total, x))
    state = {"total": device.upload(np.zeros(3, np.float32))}
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    run = device.compile(ops.program, state, tables={"x": rows}, keep=1000)
    size = device.host.used()
    expected = np.zeros(3, np.float32)
    for _ in range(3):
        index = np.arange(1000) % 4
        rates = np.linspace(-0.1, 0.1, 1000)
        out = run.run_many({"row": index, "lr": rates}, 1000)["y"]
        for i, rate, y in zip(index, rates, out, strict=True):
            expected += np.float32(0.5) * rows[i]
            expected -= np.float32(rate) * rows[i]
            np.testing.assert_allclose(y, expected + rows[i], rtol=1e-4)
        expected = device.download(state["total"])
        assert device.host.used() == size
    run.free()
    device.free(state["total"])
    assert device.host.used() == (0, 0)


def test_what_a_device_cannot_do_is_said(device: WebGPUDevice) -> None:
    ops: Any = TracingOps("too long")
    x = ops.tensor(np.zeros((1 << 12, 4), np.float32), "input", "x")
    ops.output("y", ops.scale(x, 2.0))
    small = WebGPUDevice(WgpuHost(limits={"maxStorageBufferBindingSize": 1 << 15, "maxBufferSize": 1 << 18}))
    with pytest.raises(DeviceError, match="needs 65,536 bytes of one buffer, this device binds 32,768"):
        small.compile(ops.program, {})
    assert small.host.used() == (0, 0)
    with pytest.raises(DeviceError, match="buffers hold 262,144"):
        small.upload(np.zeros(1 << 20, np.float32))
    kept = small.upload(np.zeros(4, np.float32))
    small.close()
    with pytest.raises(DeviceLost):
        small.download(kept)
    network = build_network_from_json({"layers": [{"type": "dense", "input_size": 2, "output_size": 2}]}, seed=0)
    with pytest.raises(DeviceError, match=r"the state layers\.0\."):
        device.compile(trace_forward(network, np.zeros((1, 2))), {})


def test_a_lost_device_is_reopened(device: WebGPUDevice) -> None:
    """Programs and tensors stay valid; uploaded data is restored, results are lost."""
    ops: Any = TracingOps("counter")
    total = ops.tensor(np.zeros(3, np.float32), "state", "total")
    ops.accumulate(total, np.full(3, 2, np.float32), ops.dynamic("factor", 1.0).value)
    ops.output("y", ops.scale(total, 10.0))
    state = {"total": device.upload(np.ones(3, np.float32))}
    run = device.compile(ops.program, state)
    assert run.run({})["y"].tolist() == [30, 30, 30]
    device.host.lose("unknown")
    with pytest.raises(DeviceLost, match=r"the GPU was lost \(unknown\)"):
        run.run({})
    assert device.lost
    assert list(device.reopen()) == []
    assert not device.lost
    assert [run.run({})["y"].tolist() for _ in range(2)] == [[30, 30, 30], [50, 50, 50]]
    device.write(state["total"], np.zeros(3, np.float32))
    run.free()
    device.free(state["total"])
    assert device.host.used() == (0, 0)


def test_use_device_opens_a_lost_gpu_again(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Devices()
    monkeypatch.setattr(choice, "devices", mine)
    [facts] = [d for d in use_device("webgpu") if d["device"] == "webgpu"]
    assert facts["available"]
    gpu: Any = mine.get("webgpu")
    gpu.host.lose("unknown")
    assert next(mine.candidates(1e9)).name != "webgpu"
    [facts] = [d for d in use_device("webgpu") if d["device"] == "webgpu"]
    assert facts["available"]
    assert mine.get("webgpu") is gpu
    gpu.host.lose("unknown")
    with monkeypatch.context() as patch:
        patch.setattr("loom_py.runtime.webgpu.wgpu_host.adapters", list)
        with pytest.raises(DeviceLost, match="its adapter is gone"):
            use_device("webgpu")
        available = use_device("auto")
        assert [d["device"] for d in available].count("webgpu") == 1
    assert all(d["available"] for d in use_device("auto"))
    simd: Any = mine.get("simd")
    simd.close()
    gpu.close()
    assert all(d["available"] for d in use_device("webgpu"))
    new: Any = mine.get("webgpu")
    assert new is not gpu
    new.close()


def test_training_ends_when_other_work_reopens_the_gpu() -> None:
    """Its weights on the device are the initial ones again, so it must not continue silently."""
    gpu = WebGPUDevice(WgpuHost())
    layers = [{"type": "dense", "input_size": 2, "output_size": 2, "activation": "linear"}]
    network = build_network_from_json({"layers": layers}, seed=0)
    data = [(np.ones((1, 2), np.float32), np.zeros((1, 2), np.float32))]
    plan = StepPlan(loss=Loss("mse"), optimiser=read_optimiser("sgd", "optimizer"))
    network.training_state.use(network.ops, plan.optimiser, flat(network.params))
    updates = DeviceUpdates(network, gpu, plan, data)
    updates.begin_epoch(0)
    losses, _ = finished(updates.run([0, 0], [0.1, 0.1], 1))
    assert losses[1] < losses[0]
    gpu.host.lose("unknown")
    with pytest.raises(DeviceLost):
        finished(updates.run([0], [0.1], 3))
    finished(gpu.reopen())
    before = [a.copy() for a in network.parameters.values()]
    for work in (updates.run([0], [0.1], 3), updates.pull()):
        with pytest.raises(DeviceLost, match="opened again"):
            finished(work)
    assert all(map(np.array_equal, before, network.parameters.values()))
    updates.free()
    gpu.close()


@pytest.mark.parametrize("name", shaders.names())
def test_files_say_what_they_bind(name: str) -> None:
    shader = shaders.shader(name)
    text = shader.source
    assert text.startswith("// "), "a file begins with what it does"
    assert len((shaders._folder() / f"{name}.wgsl").read_text().splitlines()) <= 150
    bindings = [binding for binding, _ in shader.buffers.values()]
    assert len(set(bindings)) == len(bindings)
    assert len(bindings) <= 8, "more storage buffers than every device has"
