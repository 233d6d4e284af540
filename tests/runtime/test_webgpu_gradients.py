"""Gradients by `differentiate` on the GPU, of every layer whose kernels it has, against NumPy in float64."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from loom_py import Network, build_network_from_json
from loom_py.runtime.program import Program
from loom_py.runtime.transforms import differentiate
from loom_py.runtime.webgpu import KERNELS, WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost
from loom_py.training.trace import trace_forward

from .test_networks import CONFIGS, ONE_PASS, compare, initial, samples
from .test_transforms import ROW, recorded


@pytest.fixture(scope="module")
def device() -> Iterator[WebGPUDevice]:
    instance = WebGPUDevice(WgpuHost())  # fails, saying what to install, where there is no adapter
    yield instance
    instance.close()


def gradients(kind: str) -> tuple[Network, Program]:
    network = build_network_from_json(CONFIGS[kind], seed=1)
    forward = trace_forward(network, samples(kind, 3, 1)[0]["x"])
    return network, differentiate(forward, "y", ["x", *network.parameters])


RUNNABLE = [kind for kind in CONFIGS if gradients(kind)[1].count().keys() <= KERNELS.keys()]


def test_networks_of_the_kernels_that_every_gpu_program_needs_are_among_them() -> None:
    assert {"dense", "residual"} <= {*RUNNABLE}
    assert {kind for kind in CONFIGS if kind.startswith("dense, ")} <= {*RUNNABLE}


@pytest.mark.parametrize("kind", RUNNABLE)
def test_gradients(device: WebGPUDevice, kind: str) -> None:
    network, program = gradients(kind)
    feeds = [{**batch, "gradient.y": batch["target"], "draw": i} for i, batch in enumerate(samples(kind, 3, 2))]
    compare(device, program, initial(network, program), feeds, ONE_PASS)


def test_the_gradient_of_a_state_that_the_program_changes(device: WebGPUDevice) -> None:
    """What a rule reads and the program overwrites later is copied before, on the GPU too."""

    def write(ops: Any, x: Any, w: Any) -> Any:
        y = ops.mul(x, w)
        ops.accumulate(w, y, 5.0)
        return ops.mul(w, y)

    program = differentiate(recorded(write), "y", ["x", "w"])
    compare(device, program, {"w": ROW + 1}, [{"x": ROW, "gradient.y": np.ones(4, np.float32)}], ONE_PASS)
