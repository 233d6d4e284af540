"""Every family against transformers: logits of every position and greedy tokens, from both formats, on every device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray

from loom_py.generation.on_device import OnDevice
from loom_py.generation.on_numpy import OnNumpy
from loom_py.generation.runner import Runner
from loom_py.models.registry import Family, families, read_decoder, read_model
from loom_py.runtime.device import Device
from loom_py.runtime.simd import SimdDevice
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost

from .families import ARCHITECTURES, CASES, SHAPE, Case, on_device, on_numpy, open_gguf, random_weights, uploaded

Kind = gguf.GGMLQuantizationType


@pytest.fixture(scope="module")
def simd() -> Iterator[Device]:
    device = SimdDevice()
    yield device
    device.close()


@pytest.fixture(scope="module")
def webgpu() -> Iterator[Device]:
    device = WebGPUDevice(WgpuHost())
    yield device
    device.close()


def relative(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def check(case: Case, model: Runner[Any]) -> None:
    """Logits as a whole and in parts that continue each other, and greedy tokens one by one."""
    for ids, logits in zip(case.ids, case.logits, strict=True):
        whole = model.forward(np.array(ids), model.new_cache(), every=True)
        assert relative(whole, logits) < 2e-4
        cache = model.new_cache()
        parts = [model.forward(np.array(part), cache, every=True) for part in (ids[:3], ids[3:4], ids[4:])]
        assert relative(np.concatenate(parts), logits) < 2e-4
    cache = model.new_cache()
    logits, tokens = model.forward(np.array(case.ids[0]), cache), list[int]()
    for _ in case.greedy:
        tokens.append(int(np.argmax(logits)))
        logits = model.forward(np.array(tokens[-1:]), cache)
    assert tokens == case.greedy


@pytest.mark.parametrize("name", CASES)
def test_as_transformers_on_numpy(name: str) -> None:
    case = Case(name)
    check(case, on_numpy(case.decoder(), case.checkpoint(), "hugging_face"))


@pytest.mark.parametrize("name", CASES)
def test_as_transformers_on_simd(name: str, simd: Device) -> None:
    case = Case(name)
    model = on_device(case.decoder(), case.checkpoint(), "hugging_face", simd)
    check(case, model)
    model.close()


@pytest.mark.parametrize("name", CASES)
def test_as_transformers_on_webgpu(name: str, webgpu: Device) -> None:
    case = Case(name)
    model = on_device(case.decoder(), case.checkpoint(), "hugging_face", webgpu)
    check(case, model)
    model.close()


VARIANTS: dict[str, dict[str, Any]] = {
    "heads normalised one by one": {"model_type": "stablelm", "qk_layernorm": True, "hidden_size": 64},
    "heads normalised alike": {"model_type": "phi", "qk_layernorm": True, "hidden_size": 64},
    "clipped": {"model_type": "olmoe", "num_experts": 4, "num_experts_per_tok": 2, "clip_qkv": 0.5},
    "divided by the layer": {"model_type": "gpt2", "n_embd": 48, "n_layer": 3, "n_head": 4, "n_positions": 64}
    | {"scale_attn_by_inverse_layer_idx": True},
    "capped": {"model_type": "gemma3_text", "head_dim": 16, "final_logit_softcapping": 2.0},
}
"""Configurations that few checkpoints have."""


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("device_name", ["simd", "webgpu"])
def test_variants_are_alike_on_devices(name: str, device_name: str, request: pytest.FixtureRequest) -> None:
    """On NumPy they are compared with torch, where it is installed."""
    device: Device = request.getfixturevalue(device_name)
    decoder = read_decoder({**SHAPE, **VARIANTS[name]})
    weights = random_weights(decoder)
    exact, quick = OnNumpy(decoder, weights), OnDevice(decoder, uploaded(weights, device), device, "f32")
    ids = np.arange(3, 14)
    reference = exact.forward(ids, exact.new_cache(), every=True)
    assert relative(quick.forward(ids, quick.new_cache(), every=True), reference) < 1e-4
    quick.close()


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("device_name", ["numpy", "simd", "webgpu"])
def test_from_gguf(name: str, device_name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    case = Case(name)
    decoder, file = open_gguf(case.write_gguf(tmp_path / "m.gguf", Kind.F32))
    if device_name == "numpy":
        check(case, on_numpy(decoder, file, "gguf"))
        return
    model = on_device(decoder, file, "gguf", request.getfixturevalue(device_name))
    check(case, model)
    model.close()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_quantised_from_gguf(name: str, tmp_path: Path, simd: Device) -> None:
    """16-bit activations lose less than 2e-3 of the logits' norm."""
    case = Case(name)
    decoder, file = open_gguf(case.write_gguf(tmp_path / "m.gguf", Kind.Q8_0))
    exact, quick = on_numpy(decoder, file, "gguf"), on_device(decoder, file, "gguf", simd, "q16")
    assert quick.activations == "q16"
    for ids in case.ids:
        reference = exact.forward(np.array(ids), exact.new_cache(), every=True)
        assert relative(quick.forward(np.array(ids), quick.new_cache(), every=True), reference) < 2e-3
    quick.close()


def test_experts_apart_in_gguf(tmp_path: Path, simd: Device) -> None:
    """Files before April 2024 have a tensor an expert, each in a storage of its own."""
    case = Case("mixtral")
    check(case, on_numpy(*open_gguf(case.write_gguf(tmp_path / "f32.gguf", Kind.F32, apart=True)), "gguf"))
    decoder, file = open_gguf(case.write_gguf(tmp_path / "m.gguf", Kind.Q8_0, Kind.Q5_1, apart=True))
    exact, quick = on_numpy(decoder, file, "gguf"), on_device(decoder, file, "gguf", simd, "q16")
    ids = np.array(case.ids[0])
    reference = exact.forward(ids, exact.new_cache(), every=True)
    assert relative(quick.forward(ids, quick.new_cache(), every=True), reference) < 1e-2
    quick.close()


@pytest.mark.parametrize(
    "family", [family for family in families() if family.architectures], ids=lambda family: family.model_types[0]
)
def test_names_are_those_of_gguf(family: Family) -> None:
    """The library that llama.cpp's converter uses maps transformers' names to the same ones."""
    model = read_model({**SHAPE, "hidden_size": 64, "full_attn_idxs": [1], "model_type": family.model_types[0]})
    architecture = next(a for a, word in gguf.MODEL_ARCH_NAMES.items() if word in family.architectures)
    names = gguf.get_tensor_name_map(architecture, model.facts.num_hidden_layers)
    for weight in model.weights():
        name = weight.name if family.decoder else weight.name.partition(".")[2]  # the converter takes bodies alone
        assert names.get_name(name, try_suffixes=(".weight", ".bias")) == weight.gguf
