"""Every kernel on every device against the NumPy kernel run in float64: ‖out − ref‖ / ‖ref‖ < 1e-5."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from loom_py.runtime.device import Device
from loom_py.runtime.kernel import KERNELS
from loom_py.runtime.simd.encode import KERNELS as ENCODERS
from loom_py.runtime.verify import cases, check
from loom_py.runtime.verify.cases import Case
from loom_py.runtime.verify.check import LIMIT, error, reference

from .devices import DEVICES

ALL = cases.every()


@pytest.fixture(scope="module", params=DEVICES)
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    instance = DEVICES[request.param]()
    yield instance
    instance.close()


def on_device(device: Device, case: Case) -> dict[str, Any]:
    """`verify.on_device` without waiting: a native device has its answers at once."""
    work = check.on_device(device, case)
    try:
        next(work)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("a native device makes nobody wait")


def same(a: Any, b: Any) -> bool:
    """Equal bit for bit; a bool, since pytest explains unequal bytes at length."""
    return a.tobytes() == b.tobytes()


@pytest.mark.parametrize("case", ALL, ids=str)
def test_kernel(device: Device, case: Case) -> None:
    expected, actual = reference(case), on_device(device, case)
    assert expected.keys() == actual.keys()
    for name, ref in expected.items():
        assert actual[name].shape == ref.shape, name
        assert np.isfinite(actual[name]).all(), name
        assert error(actual[name], ref) < LIMIT, name


PRECISE = ("sigmoid", "tanh", "softplus", "silu", "gelu", "gelu_tanh", "elu", "selu", "mish", "softsign")


@pytest.mark.parametrize("name", PRECISE)
def test_elementary_functions_are_float32_accurate(device: Device, name: str) -> None:
    """Every value, not only the norm, within a few units in the last place, from tiny ones to where NumPy itself loses
    digits."""
    sizes = np.geomspace(1e-6, 4, 3000, dtype=np.float32)
    z = np.concatenate([-sizes[::-1], sizes])
    case = Case("activate", name, {"name": name, "z": z})
    actual, ref = on_device(device, case)["out0"].astype(np.float64), reference(case)["out0"]
    assert np.max(np.abs(actual - ref) / np.abs(ref)) < 4e-6


@pytest.fixture(scope="module")
def teams() -> Iterator[list[Device]]:
    opened = [DEVICES[name]() for name in ("simd-relaxed", "simd-relaxed-2", "simd-relaxed-5")]
    yield opened
    for device in opened:
        device.close()


@pytest.mark.parametrize("kernel", cases.GENERATORS)
def test_the_number_of_threads_changes_no_bit(teams: list[Device], kernel: str) -> None:
    for case in cases.of(kernel):
        one, *others = (on_device(device, case) for device in teams)
        for other in others:
            for name, value in one.items():
                assert same(value, other[name]), f"{case}: {name}"


def test_every_kernel_has_cases() -> None:
    assert set(KERNELS) == set(cases.GENERATORS)


def test_every_kernel_has_an_encoder() -> None:
    assert set(KERNELS) <= set(ENCODERS)
