"""Gradients of whole decoders against torch's: the norm of every parameter's, and the loss."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from loom_py.models.trace import trace_loss
from loom_py.runtime.binding import refusal
from loom_py.runtime.replay import replay
from loom_py.runtime.simd import KERNELS, SimdDevice
from loom_py.runtime.transforms import differentiate, fuse
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost

from ..report import row
from .families import FOLDER, Case

FAMILIES = sorted(path.parent.name for path in FOLDER.glob("*/gradients.json"))
OTHER_NAMES = {
    "lm_head.weight": {"gpt-neox": ["embed_out.weight"]},
    "mlp.gate.weight": {"mixtral": ["block_sparse_moe.gate.weight"]},
    "mlp.experts.gate_up_proj": {"mixtral": [f"block_sparse_moe.experts.w{i}.weight" for i in (1, 3)]},
    "mlp.experts.down_proj": {"mixtral": ["block_sparse_moe.experts.w2.weight"]},
}
"""How torch's names end → the ends of the same parameters' names in a family's checkpoints."""
TABLE = "gradients of decoders: worst relative error of a parameter's norm, and of the loss"


class Reference:
    """A family's model, its program, and what torch has."""

    def __init__(self, name: str) -> None:
        self.case = Case(name)
        self.decoder, self.weights = self.case.decoder(), self.case.weights()
        self.expected = json.loads((self.case.folder / "gradients.json").read_text())
        ids = np.array(self.case.ids[1])
        self.program = differentiate(trace_loss(self.decoder, len(ids)), "loss", self.weights)
        self.inputs: dict[str, Any] = {"ids": ids, "targets": np.append(ids[1:], -100)}
        if "positions" in self.program.inputs:
            self.inputs["positions"] = np.arange(len(ids))

    def names(self, torch_name: str) -> list[str]:
        """The parameters, here, that are one of torch's."""
        for end, others in OTHER_NAMES.items():
            if torch_name.endswith(end) and self.case.name in others:
                return [torch_name.removesuffix(end) + other for other in others[self.case.name]]
        return [torch_name]

    def check(self, outputs: dict[str, Any], device: str) -> None:
        loss = abs(float(outputs["loss"]) / self.expected["loss"] - 1)
        errors: dict[str, float] = {}
        for torch_name, norm in self.expected["norms"].items():
            parts = [outputs[f"gradient.{name}"] for name in self.names(torch_name)]
            errors[torch_name] = abs(float(np.sqrt(sum(np.square(part).sum() for part in parts))) / norm - 1)
        worst = max(errors, key=lambda name: errors[name])
        row(TABLE, f"{self.case.name:<16}{device:<8}{errors[worst]:.1e}  {loss:.1e}")
        assert len(errors) == len(self.expected["norms"])
        assert loss < 1e-5
        assert errors[worst] < 1e-4, worst


@pytest.mark.parametrize("name", FAMILIES)
def test_numpy(name: str) -> None:
    reference = Reference(name)
    reference.check(replay(reference.program, reference.inputs, reference.weights), "numpy")


@pytest.mark.parametrize("name", FAMILIES)
def test_simd(name: str) -> None:
    reference = Reference(name)
    assert refusal(reference.program, KERNELS) is None
    device = SimdDevice(relaxed=True)
    tensors = {name: device.upload(a) for name, a in reference.weights.items()}
    executable = device.compile(fuse(reference.program), tensors)
    reference.check(executable.run(reference.inputs), "simd")
    device.close()


@pytest.fixture(scope="module")
def gpu() -> Iterator[WebGPUDevice]:
    instance = WebGPUDevice(WgpuHost())  # fails, saying what to install, where there is no adapter
    yield instance
    instance.close()


NUMPY_AND_SIMD = ("mixtral",)
"""Families with experts, whose gradients the GPU has no kernels for."""


@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in NUMPY_AND_SIMD])
def test_webgpu(gpu: WebGPUDevice, name: str) -> None:
    reference = Reference(name)
    tensors = {name: gpu.upload(a) for name, a in reference.weights.items()}
    executable = gpu.compile(fuse(reference.program), tensors)
    reference.check(executable.run(reference.inputs), "webgpu")
