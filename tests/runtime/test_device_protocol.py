"""A device of a few lines, with nothing but the protocols of `runtime.device`, runs whatever the real ones run."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from loom_py import build_network_from_json
from loom_py.errors import DeviceLost, InputError
from loom_py.formats.dtypes import STORAGE
from loom_py.formats.quant import widen
from loom_py.generation.loading import load_model
from loom_py.generation.sampling import GenerationOptions
from loom_py.network.on_device import NetworkOnDevice
from loom_py.runtime import choice
from loom_py.runtime.binding import bound_state, require_steps
from loom_py.runtime.device import Activations, Device, Executable, Facts
from loom_py.runtime.kernel import KERNELS
from loom_py.runtime.pending import Done, Waiting, finished
from loom_py.runtime.program import Program
from loom_py.runtime.replay import replay
from loom_py.runtime.stored import StoredRows
from loom_py.runtime.tensor import Array, DeviceTensor, Values, fitting, narrowed

from ..formats.conftest import tiny  # noqa: F401 (a fixture)
from ..formats.tiny_gguf import TinyGGUF
from ..nn.examples import IN_SIZE, network_config

DTYPES = {"float64": "float32", "int64": "int32"}


class ArrayDevice:
    """Tensors are NumPy arrays. It can be lost, and then loses the results of programs."""

    name = "arrays"
    kernels = KERNELS.keys()
    activations: Sequence[Activations] = ("f32",)
    gpu = False

    def __init__(self) -> None:
        self.arrays: dict[int, Array] = {}
        self._written: dict[int, Array] = {}
        self._next = 0
        self.lost = ""
        self.generation = 0

    def info(self) -> Facts:
        return {"device": self.name, "used": sum(a.nbytes for a in self.arrays.values())}

    def reopen(self) -> Generator[Waiting, None, None]:
        yield from ()
        if self.lost:
            self.lost, self.generation = "", self.generation + 1
            self.arrays = {i: self._written.get(i, np.zeros_like(a)).copy() for i, a in self.arrays.items()}

    def lacks_room(self, sizes: Sequence[int]) -> str | None:
        return None

    def upload(self, array: Array) -> DeviceTensor:
        values = narrowed(array, DTYPES)
        self._next += 1
        self.arrays[self._next], self._written[self._next] = values.copy(), values.copy()
        return DeviceTensor(self._next, values.shape, values.dtype.name)

    def upload_stored(self, rows: StoredRows, storage: str, shape: tuple[int, ...]) -> DeviceTensor:
        kind, values = STORAGE[storage], np.empty(shape, np.float32)
        widen(np.ascontiguousarray(rows[:]).reshape(-1, kind.size), storage, values.reshape(-1, kind.block))
        return self.upload(values)

    def empty(self, shape: tuple[int, ...], dtype: str) -> DeviceTensor:
        return self.upload(np.full(shape, 123, dtype))

    def copy(self, source: DeviceTensor, target: DeviceTensor) -> None:
        values = self.arrays[source.address].reshape(-1)
        self.arrays[target.address].reshape(-1)[: values.size] = values

    def write(self, tensor: DeviceTensor, array: Array) -> None:
        self.arrays[tensor.address][...] = fitting(tensor, array, DTYPES)
        self._written[tensor.address] = self.arrays[tensor.address].copy()

    def download(self, tensor: DeviceTensor) -> Array:
        return self.arrays[tensor.address].copy()

    def read(self, tensors: Mapping[str, DeviceTensor]) -> Done[Values]:
        return Done({name: self.download(tensor) for name, tensor in tensors.items()})

    def free(self, tensor: DeviceTensor) -> None:
        del self.arrays[tensor.address]
        del self._written[tensor.address]

    def supports(self, program: Program) -> str | None:
        return None

    def compile(
        self,
        program: Program,
        state: Mapping[str, DeviceTensor],
        *,
        tables: Mapping[str, Array] | None = None,
        keep: int = 0,
        kept: Sequence[str] | None = None,
        activations: Activations = "f32",
    ) -> ArrayExecutable:
        assert activations in self.activations
        bound_state(program, state)
        return ArrayExecutable(self, program, state, tables or {}, keep, program.outputs if kept is None else kept)

    def close(self) -> None:
        self.arrays.clear()


class ArrayExecutable:
    """Replays on NumPy."""

    def __init__(
        self,
        device: ArrayDevice,
        program: Program,
        state: Mapping[str, DeviceTensor],
        tables: Mapping[str, Array],
        keep: int,
        kept: Any,
    ) -> None:
        self.device, self.program, self.state = device, program, dict(state)
        self.tables, self.keep, self.kept = tables, keep, list(kept)
        self.outputs: Values = {}

    def run(self, inputs: Mapping[str, ArrayLike], /, **dynamics: float) -> Values:
        if self.device.lost:
            raise DeviceLost(self.device.lost, where=self.device.name)
        state = {name: self.device.arrays[self.state[name].address] for name in self.program.state}
        self.outputs = replay(self.program, inputs, state, **dynamics)
        return self.outputs

    def submit(self, inputs: Mapping[str, ArrayLike], /, **dynamics: float) -> Done[Values]:
        return Done(self.run(inputs, **dynamics))

    def run_many(self, dynamics: Mapping[str, ArrayLike], steps: int) -> Values:
        require_steps(steps, self.keep)
        numbers = {name: np.broadcast_to(value, steps) for name, value in dynamics.items()}
        rows = numbers.pop("row", np.zeros(steps, int))
        kept: list[Values] = []
        for step in range(steps):
            inputs = {name: rows_of[rows[step]] for name, rows_of in self.tables.items()}
            outputs = self.run(inputs, **{name: value[step].item() for name, value in numbers.items()})
            kept.append({name: outputs[name] for name in self.kept})
        return {name: np.stack([step[name] for step in kept]) for name in self.kept}

    def submit_many(self, dynamics: Mapping[str, ArrayLike], steps: int) -> Done[Values]:
        return Done(self.run_many(dynamics, steps))

    def last(self, names: Sequence[str]) -> Done[Values]:
        return Done({name: self.outputs[name] for name in names})

    def free(self) -> None:
        self.outputs = {}


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> choice.Devices:
    own = choice.Devices()
    monkeypatch.setattr("loom_py.training.device_step.devices", own)
    return own


@pytest.fixture
def device(devices: choice.Devices) -> Iterator[ArrayDevice]:
    """The only device, and the preferred one."""
    arrays = ArrayDevice()
    complete: Device = arrays  # as type checkers infer it
    with pytest.raises(InputError, match="unknown device 'arrays'"):
        devices.prefer("arrays")
    devices.add(complete)
    devices.prefer("arrays")
    yield arrays
    assert devices.describe()[1]["device"] == "arrays"
    assert arrays.info()["used"] == 0, "memory was left"


def batches(config: dict[str, Any], count: int = 5) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(count, 2, IN_SIZE)).astype(np.float32)
    outputs = build_network_from_json(config, seed=0).forward(x[0]).shape[1]
    return [{"Input": row, "Target": rng.uniform(size=(2, outputs)).astype(np.float32)} for row in x]


@pytest.mark.parametrize("name", ["dense", "conv2d", "multi_head_attention", "lstm", "parallel, filter"])
def test_training(device: ArrayDevice, devices: choice.Devices, name: str) -> None:
    config = network_config(name)
    data = batches(config)
    options = {"Epochs": 3, "LearningRate": 0.01, "Optimizer": "adamw", "GradientClip": 1.0}
    on_device, plain = (build_network_from_json(config, seed=3) for _ in range(2))
    result = on_device.train(data, options)
    assert on_device.get_device() == {"device": "arrays", "reason": "asked for"}
    devices.prefer("numpy")
    expected = plain.train(data, options)
    assert plain.get_device()["device"] == "numpy"
    np.testing.assert_allclose(result.loss_history, expected.loss_history, rtol=1e-5)
    for path, value in plain.parameters.items():
        np.testing.assert_allclose(on_device.parameters[path], value, rtol=1e-4, atol=1e-6, err_msg=path)


def test_forward_and_backward(device: ArrayDevice) -> None:
    network = build_network_from_json(network_config("dense"), seed=3)
    x = np.random.default_rng(0).normal(size=(2, IN_SIZE)).astype(np.float32)
    passes = NetworkOnDevice(network, device)
    y = finished(passes.forward(x))
    np.testing.assert_array_equal(y, network.forward(x))
    _, gradients = finished(passes.backward(np.ones_like(y)))
    assert gradients.keys() == network.parameters.keys()
    passes.free()


def tokens(model: Any, options: GenerationOptions) -> list[int]:
    return [token.id for token in model.generate("hello world", options)]


OPTIONS = GenerationOptions(max_tokens=12, temperature=0.8, repetition_penalty=1.2, seed=4)


def test_decoder(device: ArrayDevice, tiny: TinyGGUF) -> None:  # noqa: F811
    model = load_model(tiny.path, device=device)
    assert (model.device, model.activations) == ("arrays", "f32")
    assert tokens(model, OPTIONS) == tokens(load_model(tiny.path), OPTIONS)
    model.close()


def test_a_decoder_survives_a_loss(device: ArrayDevice, tiny: TinyGGUF) -> None:  # noqa: F811
    model = load_model(tiny.path, device=device)
    expected = tokens(load_model(tiny.path), OPTIONS)
    ids: list[int] = []
    for token in model.generate("hello world", OPTIONS):
        ids.append(token.id)
        if len(ids) == 5:
            device.lost = "unplugged"
    assert ids == expected
    assert device.generation == 1
    model.close()


def test_a_lost_device_is_passed_over(device: ArrayDevice) -> None:
    network = build_network_from_json(network_config("dense"), seed=3)
    device.lost = "unplugged"
    network.train(batches(network_config("dense")), {"Epochs": 1})
    assert network.get_device()["device"] == "numpy"
    assert network.get_device()["reason"].startswith("arrays is not available: unplugged")


def test_the_real_devices_have_the_protocol() -> None:
    """What type checkers verify of `SimdDevice` and `WebGPUDevice`, repeated as a test."""
    from loom_py.runtime.simd import SimdDevice
    from loom_py.runtime.simd.executable import SimdExecutable
    from loom_py.runtime.webgpu import WebGPUDevice
    from loom_py.runtime.webgpu.executable import WebGPUExecutable

    for protocol, classes in (
        (Device, (SimdDevice, WebGPUDevice, ArrayDevice)),
        (Executable, (SimdExecutable, WebGPUExecutable, ArrayExecutable)),
    ):
        methods = {name for name, member in vars(protocol).items() if callable(member) and not name.startswith("_")}
        assert methods
        for implementation in classes:
            assert methods <= vars(implementation).keys(), implementation
