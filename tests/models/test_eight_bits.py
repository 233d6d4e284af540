"""Repositories with weights of eight bits and scales beside them, and quantisations that are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray

from loom_py.errors import ModelError
from loom_py.generation.loading import load_model
from loom_py.generation.on_numpy import OnNumpy
from loom_py.models.registry import read_decoder
from loom_py.runtime.device import Device
from loom_py.runtime.simd import SimdDevice

from ..formats.builders import safetensors_bytes
from .families import Case

FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [24, 20]}
BLOCKS = {"block": (24, 20), "tall block": (24, 100)}
COMPRESSED = {
    "quant_method": "compressed-tensors",
    "format": "float-quantized",
    "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float", "strategy": "channel"}}},
}
INT8 = COMPRESSED | {"format": "int-quantized"}


@pytest.fixture(scope="module")
def simd() -> Iterator[Device]:
    device = SimdDevice()
    yield device
    device.close()


def values(storage: str) -> NDArray[np.float64]:
    """What each of the 256 codes stands for, by the definition of the format."""
    code = np.arange(256)
    if storage == "I8":
        return code.astype(np.uint8).view(np.int8).astype(np.float64)
    bits, bias = (3, 7) if storage == "F8_E4M3" else (2, 15)
    sign, exponent, fraction = code >> 7, (code & 127) >> bits, (code & (1 << bits) - 1) / (1 << bits)
    number = np.where(exponent > 0, (1 + fraction) * 2.0 ** (exponent - bias), fraction * 2.0 ** (1 - bias))
    number[(code & 127) > (126 if storage == "F8_E4M3" else 123)] = np.nan
    return np.where(sign, -number, number).astype(np.float64)


def scales(form: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    rng, (rows, columns) = np.random.default_rng(1), shape
    block = BLOCKS.get(form, (1, 1))
    blocks = -(-rows // block[0]), -(-columns // block[1])
    size: tuple[int, ...] = {"tensor": (), "row": (rows, 1), "rows": (rows,)}.get(form, blocks)
    return np.asarray(rng.uniform(0.5, 2, size), np.float32)


def spread(scale: NDArray[np.float32], form: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A scale for each number of a matrix."""
    if form in BLOCKS:
        return np.kron(scale, np.ones(BLOCKS[form]))[: shape[0], : shape[1]].astype(np.float64)
    return np.broadcast_to(scale.reshape(-1, 1).astype(np.float64), shape)


def write(folder: Path, storage: str, form: str, suffix: str, quantisation: Mapping[str, Any]) -> dict[str, Any]:
    """The case in eight bits; returns the weights that it stands for."""
    case, table = Case("qwen3"), values(storage)
    header, data, exact, at = dict[str, Any](), bytearray(), dict[str, Any](), 0

    def put(name: str, kind: str, array: NDArray[Any]) -> None:
        nonlocal at
        raw = array.tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [at, at + len(raw)]}
        data.extend(raw)
        at += len(raw)

    for name, weight in safetensors.numpy.load_file(case.folder / "model.safetensors").items():
        exact[name] = weight
        if not name.endswith("_proj.weight"):
            put(name, "F32", weight)
            continue
        scale = scales(form, weight.shape) if form else np.float32(1)
        numbers = spread(np.asarray(scale), form, weight.shape)
        step = np.abs(weight / numbers).max() / 100 if storage == "I8" else 1
        codes = np.nanargmin(np.abs(table - (weight / numbers / step)[..., None]), axis=-1).astype(np.uint8)
        put(name, storage, codes)
        if form:
            put(name + suffix, "F32", np.asarray(scale * np.float32(step), np.float32))
        exact[name] = (table[codes] * numbers * np.float32(step)).astype(np.float32)
    (folder / "config.json").write_text(json.dumps(case.config | {"quantization_config": quantisation}))
    (folder / "model.safetensors").write_bytes(safetensors_bytes(header, bytes(data)))
    return exact


@pytest.mark.parametrize(
    ("storage", "form", "suffix", "quantisation"),
    [
        ("F8_E4M3", "block", "_scale_inv", FP8),
        ("F8_E4M3", "tall block", "_scale_inv", FP8 | {"weight_block_size": [24, 100]}),
        ("F8_E4M3", "tensor", "_scale", {"quant_method": "fp8"}),
        ("F8_E5M2", "row", "_scale", COMPRESSED),
        ("F8_E4M3", "rows", "_scale", {"quant_method": "fbgemm_fp8"}),
        ("F8_E5M2", "", "", {"quant_method": "fp8"}),
        ("I8", "row", "_scale", INT8),
    ],
)
def test_eight_bits(
    storage: str, form: str, suffix: str, quantisation: dict[str, Any], tmp_path: Path, simd: Device
) -> None:
    weights = write(tmp_path, storage, form, suffix, quantisation)
    model, case = load_model(tmp_path), Case("qwen3")
    ids = np.array(case.ids[0])
    exact = OnNumpy(case.decoder(), weights)
    expected = exact.forward(ids, exact.new_cache(), every=True)
    logits = model.logits(ids)
    assert np.linalg.norm(logits - expected) < 1e-5 * np.linalg.norm(expected)
    assert any("8 bits become float16" in notice for notice in model.notices)
    quick = load_model(tmp_path, device=simd, activations="f32")
    assert np.linalg.norm(quick.logits(ids) - expected) < 2e-3 * np.linalg.norm(expected)
    quick.close()


def test_a_scale_that_fits_nothing(tmp_path: Path) -> None:
    write(tmp_path, "F8_E4M3", "block", "_scale_inv", FP8 | {"weight_block_size": [16, 16]})
    with pytest.raises(ModelError, match=r"the scale .*_scale_inv has shape \[\d, \d\], which does not fit"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("quantisation", "message"),
    [
        ({"quant_method": "gptq", "bits": 4}, "the weights are quantised by GPTQ, which is not read"),
        ({"quant_method": "awq", "bits": 4}, "quantised by AWQ"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "quantised by bitsandbytes"),
        ({"load_in_8bit": True}, "quantised by bitsandbytes"),
        ({"quant_method": "mxfp4"}, "quantised by MXFP4"),
        ({"quant_method": "torchao"}, "quantised by torchao"),
        (COMPRESSED | {"format": "pack-quantized"}, r"compressed-tensors \(pack-quantized\), which is not read"),
        (INT8 | {"config_groups": {"g": {"weights": {"num_bits": 4}}}}, "than symmetric ones of 8 bits"),
        (INT8 | {"config_groups": {"g": {"weights": {"symmetric": False}}}}, "than symmetric ones of 8 bits"),
    ],
)
def test_refused(quantisation: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_decoder(Case("qwen3").config | {"quantization_config": quantisation})


def test_packed_weights_without_a_configuration(tmp_path: Path) -> None:
    """Early files of AutoGPTQ say it in another file."""
    case = Case("qwen3")
    weights = safetensors.numpy.load_file(case.folder / "model.safetensors")
    packed = {name.replace("q_proj.weight", "q_proj.qweight"): weight for name, weight in weights.items()}
    (tmp_path / "config.json").write_text(json.dumps(case.config))
    safetensors.numpy.save_file(packed, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"is packed as .*q_proj\.qweight, which GPTQ and AWQ write") as caught:
        load_model(tmp_path)
    assert "GGUF" in caught.value.remedy
