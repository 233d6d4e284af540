"""Products with the matrices of chosen experts, in every storage on every device, against float64."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from loom_py.errors import DeviceError
from loom_py.runtime.abstract import Abstract
from loom_py.runtime.device import Activations, Device
from loom_py.runtime.simd import SimdDevice
from loom_py.runtime.trace import TracingOps
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost

from .test_llm_kernels import LIMITS, STORAGES, error, stored

EXPERTS, ROWS, COLUMNS = 5, 16, 96


def narrow_webgpu() -> Device:
    """A GPU that binds fewer bytes at once than the matrix has as float32."""
    return WebGPUDevice(WgpuHost(limits={"maxStorageBufferBindingSize": 1 << 14}))


@pytest.fixture(scope="module", params=[SimdDevice, lambda: WebGPUDevice(WgpuHost()), narrow_webgpu])
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    instance = request.param()
    yield instance
    instance.close()


def run(device: Device, raw: Any, storage: str, rows: int, x: Any, ids: Any, mode: Activations = "f32") -> Any:
    ops: Any = TracingOps("experts")
    weight = device.upload_stored(raw, storage, (EXPERTS * rows, COLUMNS))
    operands = [ops.tensor(value, "input", name) for name, value in (("x", x), ("ids", ids))]
    w = ops.tensor(Abstract((EXPERTS * rows, COLUMNS)), "state", "w")
    ops.output("y", ops.expert_linear(*operands, w, EXPERTS))
    executable = device.compile(ops.program, {"w": weight}, activations=mode)
    y = executable.run({"x": x, "ids": ids})["y"]
    executable.free()
    device.free(weight)
    return y


@pytest.mark.parametrize("mode", LIMITS)
@pytest.mark.parametrize("storage", STORAGES)
def test_every_storage(device: Device, storage: str, mode: Activations) -> None:
    """Few choices and many, with an input for each or one for all of a token."""
    mode = mode if mode in device.activations else "f32"
    raw, values = stored(storage, EXPERTS * ROWS, COLUMNS)
    wide = values.astype(np.float64).reshape(EXPERTS, ROWS, COLUMNS)
    rng = np.random.default_rng(2)
    for tokens, count, parts in [(1, 2, 1), (1, 2, 2), (9, 3, 1), (9, 3, 3)]:
        x = rng.normal(size=(tokens, parts, COLUMNS)).astype(np.float32)
        ids = rng.integers(0, EXPERTS, (tokens, count))
        y = run(device, raw, storage, ROWS, x, ids, mode)
        expected = np.einsum("tkoi,tki->tko", wide[ids], np.broadcast_to(x, (tokens, count, COLUMNS)))
        assert error(y, expected) < LIMITS["f32" if storage in ("F32", "F16", "BF16") else mode]


@pytest.mark.parametrize("mode", LIMITS)
@pytest.mark.parametrize("storage", STORAGES)
def test_an_expert_with_any_number_of_tokens(storage: str, mode: Activations) -> None:
    """From none to more than fit into scratch memory; an id that is none is passed over."""
    device = SimdDevice()
    raw, values = stored(storage, EXPERTS * ROWS, COLUMNS)
    wide = values.astype(np.float64).reshape(EXPERTS, ROWS, COLUMNS)
    rng = np.random.default_rng(3)
    for counts in [(300, 0, 1, 129, 2), (0, 0, 0, 0, 9), (4, 5, 6, 7, 8), (3, 0, 3, 0, 0)]:
        ids = rng.permutation(np.repeat([*range(EXPERTS), EXPERTS], [*counts, 1]))[:, None]
        x = rng.normal(size=(len(ids), 1, COLUMNS)).astype(np.float32)
        y, real = run(device, raw, storage, ROWS, x, ids, mode), ids[:, 0] < EXPERTS
        expected = np.einsum("toi,ti->to", wide[ids[real, 0]], x[real, 0])
        assert error(y[real, 0], expected) < LIMITS["f32" if storage in ("F32", "F16", "BF16") else mode]
    device.close()


def test_experts_that_share_a_group_of_rows() -> None:
    """Numbers may have any count of rows; blocks lie in groups of eight."""
    device = SimdDevice()
    x, ids = np.ones((1, 1, COLUMNS), np.float32), np.array([[4, 1]])
    raw, values = stored("F16", EXPERTS * 5, COLUMNS)
    y = run(device, raw, "F16", 5, x, ids)
    assert error(y, values.astype(np.float64).reshape(EXPERTS, 5, COLUMNS)[[4, 1]].sum(axis=2)[None]) < 1e-5
    with pytest.raises(DeviceError, match="experts of 5 rows do not divide into groups of 8"):
        run(device, stored("Q8_0", EXPERTS * 5, COLUMNS)[0], "Q8_0", 5, x, ids)
    device.close()
