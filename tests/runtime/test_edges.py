"""Kernels over the whole range of float32, from subnormal numbers to 3·10³⁸, against float64.

The largest error of a tensor is within 3·10⁻⁶ of its largest value, wherever the right values are float32 themselves.
Where all of them are smaller than normal numbers, a device may give anything below those. Slopes of activations are
differences of numbers near 1, and right to 3·10⁻⁷.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom_py.runtime.device import Device
from loom_py.runtime.kernel import KERNELS
from loom_py.runtime.kernels.activation import ACTIVATIONS
from loom_py.runtime.simd import SimdDevice
from loom_py.runtime.verify.cases import Case
from loom_py.runtime.verify.check import reference
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost

from .test_kernels import on_device

LARGEST, SMALLEST_NORMAL, LIMIT = 3.4e38, 1.2e-38, 3e-6
SHAPE = (3, 9)
GRADIENT, GAMMA, BETA = (
    np.random.default_rng(i).normal(size=s).astype(np.float32) for i, s in enumerate((SHAPE, 9, 9))
)
ONE_HOT = np.eye(9, dtype=np.float32)[[2, 0, 7]]
KINDS: dict[str, dict[str, Any]] = {
    "rms_norm": {"gamma": GAMMA, "eps": 1e-5},
    "layer_norm": {"gamma": GAMMA, "beta": BETA, "eps": 1e-5},
    "rms_norm_grad": {"gamma": GAMMA, "eps": 1e-5, "gy": GRADIENT},
    "layer_norm_grad": {"gamma": GAMMA, "eps": 1e-5, "gy": GRADIENT},
    "softmax": {},
    "temper": {"temperature": 0.5},
    "sparsemax": {},
    **{f"entmax {alpha}": {"alpha": alpha} for alpha in (1.01, 1.5, 3.5)},
    **{f"activate {name}": {"name": name} for name in ACTIVATIONS},
    **{f"activate_grad {name}": {"name": name, "g": GRADIENT} for name in ACTIVATIONS},
    **{
        f"loss {name}": {"name": name, "target": ONE_HOT}
        for name in ("mae", "huber", "cross_entropy_logits", "bce_logits")
    },
    **{f"loss_grad {name}": {"name": name, "target": ONE_HOT} for name in ("mse", "mae", "huber", "bce_logits")},
    "loss_grad cross_entropy_logits": {"name": "cross_entropy_logits", "target": ONE_HOT},
}


@pytest.fixture(scope="module", params=["numpy", "simd", "relaxed", "webgpu"])
def device(request: pytest.FixtureRequest) -> Iterator[Device | None]:
    opened: dict[str, Any] = {
        "numpy": lambda: None,
        "simd": lambda: SimdDevice(relaxed=False),
        "relaxed": lambda: SimdDevice(relaxed=True),
        "webgpu": lambda: WebGPUDevice(WgpuHost()),
    }
    device = opened[request.param]()
    yield device
    if device is not None:
        device.close()


@cache
def directions(seed: int) -> Any:
    return np.clip(np.random.default_rng(seed).normal(size=SHAPE), -4, 4)


def outputs(device: Device | None, case: Case) -> dict[str, Any]:
    with np.errstate(all="ignore"):
        if device is not None:
            return on_device(device, case)
        results = KERNELS[case.kernel].function(**case.arguments)
    return {f"out{i}": a for i, a in enumerate(results if isinstance(results, tuple) else (results,))}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(exponent=st.floats(-44, 37.8), seed=st.integers(0, 3))
def test_kernel(device: Device | None, kind: str, exponent: float, seed: int) -> None:
    kernel = kind.split()[0]
    if device is not None and kernel not in device.kernels:
        return
    x = (directions(seed) * 10.0**exponent).astype(np.float32)
    operand = {"activate": "z", "activate_grad": "z", "loss": "y", "loss_grad": "y"}.get(kernel, "x")
    case = Case(kernel, kind, {operand: x, **KINDS[kind]})
    with np.errstate(all="ignore"):
        expected = reference(case)
    actuals = outputs(device, case)
    for right, actual in zip(expected.values(), actuals.values(), strict=True):
        right, actual = np.asarray(right, np.float64), np.asarray(actual, np.float64)
        representable = np.abs(right) < LARGEST
        largest = np.abs(right[representable]).max(initial=0)
        error = np.abs(actual - right)[representable].max(initial=0)
        slope = 3e-7 if kernel == "activate_grad" else 0.0  # 1 − tanh² and the like are differences
        assert error <= max(LIMIT * largest, SMALLEST_NORMAL, slope)


# Found by attack: on a GPU, whose `min` and `max` may take NaN for any number, sigmoid made 0 of it and relu too.
# Reports of the kind: tensorflow/tfjs #5965, gpuweb/gpuweb #5192, microsoft/onnxruntime #11010.
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_no_activation_hides_what_is_no_number(device: Device | None, name: str) -> None:
    z = np.array([[np.nan, 1.0, -np.nan, -1.0]], np.float32)
    (out,) = outputs(device, Case("activate", name, {"name": name, "z": z})).values()
    assert np.isnan(out).tolist() == np.isnan(z).tolist()


@pytest.mark.parametrize("smallest", [1e-4, 1e-8, 1e-12])
def test_no_slope_of_entmax_is_lost_against_the_largest(device: Device | None, smallest: float) -> None:
    """With α = 4, s = y⁻² are fractions: the gradient of the largest is that of the others, with the opposite sign."""
    y, g = np.array([[smallest, 0.5, 0.25, 0.0]], np.float32), np.array([[0.7, -1.3, 0.2, 5.0]], np.float32)
    s = [1 / Fraction(float(v)) ** 2 if v else Fraction(0) for v in y[0]]
    exact = [Fraction(float(v)) for v in g[0]]
    mean = sum(a * b for a, b in zip(s, exact, strict=True)) / sum(s)
    right = np.array([float(a * (b - mean)) for a, b in zip(s, exact, strict=True)])
    (actual,) = outputs(device, Case("entmax_grad", "", {"y": y, "g": g, "alpha": 4.0})).values()
    np.testing.assert_allclose(actual[0], right, rtol=1e-5)
