"""How weights are stored: what is widened, and what is refused from the header."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf.quants import dequantize

from loom_py.errors import FormatError, ModelError
from loom_py.formats.gguf import GGUFFile
from loom_py.formats.quant import can_widen, readable_types
from loom_py.formats.source import BytesSource
from loom_py.generation.loading import load_model
from loom_py.generation.on_numpy import OnNumpy
from loom_py.models.protocols import Weight
from loom_py.models.weights import CheckpointWeights
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost
from tests.formats.builders import CountingSource, gguf_bytes, tensor
from tests.formats.tiny_gguf import TinyGGUF, write_tiny_gguf
from tests.runtime.devices import DEVICES

RANDOM = ("IQ4_NL", "MXFP4")
"""Types that the small model's rows of 64 and 96 can be stored as; the gguf package cannot quantise to them."""


def stored_as(path: Path, kind: str, names: tuple[str, ...], seed: int = 3) -> TinyGGUF:
    """The small model with some matrices as random blocks of a type, and their values by Hugging Face name."""
    tiny = write_tiny_gguf(path)
    reader = gguf.GGUFReader(path)
    qtype = gguf.GGMLQuantizationType[kind]
    block, size = gguf.GGML_QUANT_SIZES[qtype]
    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path.with_suffix(".new"), "llama")
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            value, inner = field.contents(), field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(field.name, value, field.types[0], inner)
    for item in reader.tensors:
        if item.name not in names:
            writer.add_tensor(item.name, item.data, raw_dtype=item.tensor_type)
            continue
        rows, columns = int(item.shape[1]), int(item.shape[0])
        blocks = rng.integers(0, 256, (rows * columns // block, size), dtype=np.uint8)
        if kind == "MXFP4":
            blocks[:, 0] = 120
        else:
            blocks[:, :2] = np.float16(0.01).reshape(1).view(np.uint8)
        data = blocks.reshape(rows, -1)
        writer.add_tensor(item.name, data, raw_dtype=qtype)
        if kind in RANDOM:
            tiny.weights["model.layers.0.mlp.down_proj.weight"] = dequantize(data, qtype)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    path.with_suffix(".new").rename(path)
    return tiny


@pytest.mark.parametrize("kind", RANDOM)
def test_such_weights_are_widened(tmp_path: Path, kind: str) -> None:
    # ggml-org/llama.cpp #6614, #7805: IQ4_NL takes the place of types that need rows of 256; mattn/tensai #47: SmolLM2
    tiny = stored_as(tmp_path / "m.gguf", kind, ("blk.0.ffn_down.weight",))
    model = load_model(tiny.path)
    assert isinstance(model.model, OnNumpy)
    for name, weight in tiny.weights.items():
        np.testing.assert_array_equal(model.model.weights[name], weight)


@pytest.mark.parametrize("name", ["simd-relaxed", "webgpu"])
@pytest.mark.parametrize("kind", RANDOM)
def test_devices_take_them_as_q8_0(tmp_path: Path, kind: str, name: str) -> None:
    tiny = stored_as(tmp_path / "m.gguf", kind, ("blk.0.ffn_down.weight",))
    device = WebGPUDevice(WgpuHost()) if name == "webgpu" else DEVICES[name]()
    ids = np.array([1, 2, 3])
    exact, on_device = load_model(tiny.path), load_model(tiny.path, device=device)
    one, two = (m.model.forward(ids, m.model.new_cache()) for m in (exact, on_device))
    assert np.linalg.norm(one - two) / np.linalg.norm(one) < 0.02
    on_device.close()
    device.close()


@pytest.mark.parametrize("kind", ["IQ2_XXS", "IQ3_S", "IQ1_M"])
def test_what_cannot_be_read_is_said_from_the_header(kind: str) -> None:
    infos, offset = [], 0
    for name in ("a", "b"):
        infos.append(tensor(name, [256, 40_000], int(gguf.GGMLQuantizationType[kind]), offset))
        offset += -(-40_000 * gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]][1] // 32) * 32
    source = CountingSource(BytesSource(gguf_bytes((), infos, bytes(offset)), "m.gguf"))
    with pytest.raises(ModelError, match=f"2 of 2 weights are stored as {kind}, which cannot be read") as caught:
        CheckpointWeights(GGUFFile(source), [Weight(n, (40_000, 256), gguf=n) for n in ("a", "b")], "gguf")
    assert source.total < source.size / 2  # the header, in a window of a megabyte
    named = caught.value.remedy.partition(": ")[2].rstrip(".").split(", ")
    assert {"F16", "Q8_0", "Q2_K", "IQ4_NL"} <= set(named)
    assert kind not in named
    assert all(can_widen(name) for name in named)
    assert readable_types() in caught.value.remedy


@pytest.mark.parametrize(("number", "says"), [(31, "Q4_0_4_4, which was withdrawn"), (4, "Q4_2"), (99, "unknown")])
def test_types_that_nobody_reads_any_more_are_named(number: int, says: str) -> None:
    # ggml-org/llama.cpp #10757: files in Q4_0_4_4 stopped loading
    data = gguf_bytes((), [tensor("t", [32], number)], bytes(64))
    with pytest.raises(FormatError, match=says) as caught:
        GGUFFile(BytesSource(data, "m.gguf"))
    assert "fetch it again" not in caught.value.remedy
