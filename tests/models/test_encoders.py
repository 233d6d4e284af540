"""Encoders against transformers: hidden states and logits, from both formats, on every device, alone and in batches."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

import loom_py
from loom_py.errors import InputError
from loom_py.generation.loading import load_any_model
from loom_py.generation.text_encoder import TextEncoder
from loom_py.runtime.device import Device
from loom_py.runtime.simd import SimdDevice
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost

from .test_families import relative

FOLDER = Path(__file__).parent.parent / "data" / "encoders"
CASES = sorted(path.name for path in FOLDER.iterdir())
DEVICES = {"numpy": lambda: None, "simd": SimdDevice, "webgpu": lambda: WebGPUDevice(WgpuHost())}
Kind = gguf.GGMLQuantizationType


@pytest.fixture(scope="module", params=DEVICES)
def device(request: pytest.FixtureRequest) -> Iterator[Device | None]:
    device = DEVICES[request.param]()
    yield device
    if device is not None:
        device.close()


def encoder(path: Path, device: Device | None, activations: str = "f32") -> TextEncoder:
    model = load_any_model(path, device=device, activations=activations)
    assert isinstance(model, TextEncoder)
    return model


def expected(name: str) -> tuple[list[list[int]], str, list[NDArray[Any]]]:
    """Two texts' ids, and what is known of them: `hidden` or `logits`."""
    value = json.loads((FOLDER / name / "expected.json").read_text())
    key = "hidden" if "hidden" in value else "logits"
    return value["ids"], key, [np.array(rows) for rows in value[key]]


@pytest.mark.parametrize("name", CASES)
def test_as_transformers(name: str, device: Device | None) -> None:
    model = encoder(FOLDER / name, device)
    texts, key, references = expected(name)
    for ids, reference in zip(texts, references, strict=True):
        rows = model.hidden(ids) if key == "hidden" else model.logits(ids)
        assert relative(rows, reference) < 2e-4
    model.close()


def test_texts_do_not_depend_on_those_beside_them(device: Device | None) -> None:
    model = encoder(FOLDER / "bert", device)
    rng = np.random.default_rng(0)
    texts = [rng.integers(0, 160, int(n)).tolist() for n in rng.integers(1, 100, 40)]
    types = [rng.integers(0, 2, len(ids)).tolist() for ids in texts]
    together = model.hidden_batch(texts, types)
    for ids, kinds, states in zip(texts, types, together, strict=True):
        alone = model.hidden(ids, kinds)
        assert states.shape == alone.shape == (len(ids), 32)
        assert relative(states, alone) < 1e-5
    assert relative(model.hidden(texts[0]), together[0]) > 1e-3, "types count"
    model.close()


def write_gguf(name: str, path: Path, kind: gguf.GGMLQuantizationType) -> Path:
    """The same BERT by PyPI's `gguf`, under the names that llama.cpp's converter gives."""
    config: dict[str, Any] = json.loads((FOLDER / name / "config.json").read_text())
    model = encoder(FOLDER / name, None)
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.CLS)
    writer.add_vocab_size(config["vocab_size"])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, config["num_hidden_layers"])
    for weight, numbers in model.runner._weights.items():  # pyright: ignore  (of a runner on NumPy)
        ours = names.get_name(weight.partition(".")[2], try_suffixes=(".weight", ".bias"))
        if ours is not None and not weight.startswith("cls."):
            stored = kind if numbers.ndim > 1 else Kind.F32
            writer.add_tensor(ours, gguf.quantize(numbers, stored), raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_from_gguf(tmp_path: Path, device: Device | None) -> None:
    model = encoder(write_gguf("bert", tmp_path / "m.gguf", Kind.F32), device)
    texts, _, references = expected("bert")
    for ids, reference in zip(texts, references, strict=True):
        assert relative(model.hidden(ids), reference) < 2e-4
    assert (model.pooling.modes, model.pooling.normalised, model.head) == (("cls",), True, None)
    model.close()


def test_quantised_activations(tmp_path: Path) -> None:
    device = SimdDevice()
    path = write_gguf("bert", tmp_path / "m.gguf", Kind.Q8_0)
    exact, quick = encoder(path, None), encoder(path, device, "q16")
    assert quick.activations == "q16"
    for ids in expected("bert")[0]:
        assert relative(quick.hidden(ids), exact.hidden(ids)) < 2e-3
    device.close()


def test_names_of_older_checkpoints(tmp_path: Path) -> None:
    """Google's call a norm's vectors gamma and beta, and the first sentence encoders leave out a word of each name."""
    for name in ("bert", "bert-mlm"):
        place = tmp_path / name
        shutil.copytree(FOLDER / name, place)
        weights = load_file(place / "model.safetensors")
        old = {
            n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): w
            for n, w in weights.items()
        }
        save_file(old, place / "model.safetensors")
        texts, key, references = expected(name)
        model = encoder(place, None)
        assert relative(model.hidden(texts[0]) if key == "hidden" else model.logits(texts[0]), references[0]) < 2e-4


def test_refusals() -> None:
    model = encoder(FOLDER / "bert", None)
    with pytest.raises(InputError, match="129 tokens are more than the model's 128 positions"):
        model.hidden([1] * 129)
    with pytest.raises(InputError, match="token id 160 is outside the model's vocabulary of 160"):
        model.hidden([1, 160])
    with pytest.raises(InputError, match="scores neither words nor labels"):
        model.logits([1, 2])
    with pytest.raises(InputError, match="the model has no tokenizer"):
        model.embed(["text"])
    with pytest.raises(InputError, match="expected a list of texts, got one text"):
        model.embed("text")
    model.close()
    with pytest.raises(InputError, match="was closed"):
        model.hidden([1])


def test_public_door() -> None:
    """`load_model` says what it has loaded."""
    model = loom_py.load_model(FOLDER / "bert-mlm", device=None)
    assert isinstance(model, TextEncoder)
    assert model.head is not None
    assert model.head.kind == "words"
    assert model.dimension == 32
