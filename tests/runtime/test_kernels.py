"""Every kernel on every device against the NumPy kernel run in float64: ‖out − ref‖ / ‖ref‖ < 1e-5."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from loom_py.runtime.device import Device
from loom_py.runtime.numpy_ops import NumpyOps
from loom_py.runtime.simd.encode import KERNELS as ENCODERS
from loom_py.runtime.trace import IN_PLACE, TracingOps

from . import cases
from .cases import Case
from .devices import DEVICES

LIMIT = 1e-5
ALL = cases.every()


@pytest.fixture(scope="module", params=DEVICES)
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    made = DEVICES[request.param]()
    yield made
    made.close()


def reference(case: Case) -> dict[str, Any]:
    """Results and changed tensors, by NumPy in float64."""

    def wide(value: Any) -> Any:
        if isinstance(value, list):
            return [wide(v) for v in value]
        return value.astype(np.float64) if isinstance(value, np.ndarray) and value.dtype == np.float32 else value

    arguments = {name: wide(value) for name, value in case.arguments.items()}
    result = getattr(NumpyOps(), case.kernel)(**arguments)
    made = () if result is None else result if isinstance(result, tuple) else (result,)
    found = {f"out{i}": np.asarray(value) for i, value in enumerate(made)}
    for name in IN_PLACE.get(case.kernel, ()):
        value = arguments[name]
        found |= {f"{name}.{i}": a for i, a in enumerate(value)} if isinstance(value, list) else {name: value}
    return {name: value for name, value in found.items() if value is not None}


def has_arrays(value: Any) -> bool:
    return isinstance(value, np.ndarray) or (isinstance(value, list) and any(map(has_arrays, value)))


def on_device(device: Device, case: Case) -> dict[str, Any]:
    """The same by a device, run twice from the same start: what it answers must not depend on what it did before."""
    ops: Any = TracingOps(str(case))
    changed = IN_PLACE.get(case.kernel, ())
    inputs: dict[str, Any] = {}
    state: dict[str, Any] = {}

    def tensor(name: str, value: Any, kind: str) -> Any:
        if isinstance(value, list):
            return [tensor(f"{name}.{i}", a, kind) for i, a in enumerate(value)]
        (state if kind == "state" else inputs)[name] = value
        return ops.tensor(value, kind, name)

    arguments: dict[str, Any] = {}
    for name, value in case.arguments.items():
        if name in case.dynamic:
            arguments[name] = ops.dynamic(name, value)
        elif name in case.constants or not has_arrays(value):
            arguments[name] = value
        else:
            arguments[name] = tensor(name, value, "state" if name in changed else "input")
    result = getattr(ops, case.kernel)(**arguments)
    made = () if result is None else result if isinstance(result, tuple) else (result,)
    for i, t in enumerate(made):
        ops.output(f"out{i}", t)

    uploaded = {name: device.upload(a) for name, a in state.items()}
    executable = device.compile(ops.program, uploaded)
    runs = []
    for _ in range(2):
        for name, a in state.items():
            device.write(uploaded[name], a)
        out = executable.run(inputs, **{name: case.arguments[name] for name in case.dynamic})
        runs.append(out | {name: device.download(uploaded[name]) for name in state})
    executable.free()
    for t in uploaded.values():
        device.free(t)
    for name, first in runs[0].items():
        assert same(first, runs[1][name]), f"{name} differs from run to run"
    return runs[0]


def same(a: Any, b: Any) -> bool:
    """Bit for bit; a plain truth, since pytest explains unequal bytes at length."""
    return a.tobytes() == b.tobytes()


def error(out: Any, ref: Any) -> float:
    """‖out − ref‖ / ‖ref‖; ‖out‖ where the reference is 0."""
    return float(np.linalg.norm(np.subtract(out, ref, dtype=np.float64)) / (np.linalg.norm(ref) or 1))


@pytest.mark.parametrize("case", ALL, ids=str)
def test_kernel(device: Device, case: Case) -> None:
    expected, found = reference(case), on_device(device, case)
    assert expected.keys() == found.keys()
    for name, ref in expected.items():
        assert found[name].shape == ref.shape, name
        assert np.isfinite(found[name]).all(), name
        assert error(found[name], ref) < LIMIT, name


PRECISE = ("sigmoid", "tanh", "softplus", "silu", "gelu", "gelu_tanh", "elu", "selu", "mish", "softsign")


@pytest.mark.parametrize("name", PRECISE)
def test_elementary_functions_are_float32_accurate(device: Device, name: str) -> None:
    """Every single value, not only the norm: within a few units in the last place, from tiny to where the oracle itself
    loses digits."""
    sizes = np.geomspace(1e-6, 4, 3000, dtype=np.float32)
    z = np.concatenate([-sizes[::-1], sizes])
    case = Case("activate", name, {"name": name, "z": z})
    found, ref = on_device(device, case)["out0"].astype(np.float64), reference(case)["out0"]
    assert np.max(np.abs(found - ref) / np.abs(ref)) < 4e-6


@pytest.fixture(scope="module")
def teams() -> Iterator[list[Device]]:
    made = [DEVICES[name]() for name in ("simd-relaxed", "simd-relaxed-2", "simd-relaxed-5")]
    yield made
    for device in made:
        device.close()


@pytest.mark.parametrize("kernel", cases.GENERATORS)
def test_the_number_of_threads_changes_no_bit(teams: list[Device], kernel: str) -> None:
    for case in cases.of(kernel):
        one, *others = (on_device(device, case) for device in teams)
        for other in others:
            for name, value in one.items():
                assert same(value, other[name]), f"{case}: {name}"


def test_every_kernel_has_cases() -> None:
    assert set(cases.KERNELS) == set(cases.GENERATORS)


def test_every_kernel_has_an_encoder() -> None:
    assert set(cases.KERNELS) <= set(ENCODERS)
