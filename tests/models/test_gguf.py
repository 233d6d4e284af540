"""Llama in GGUF: names, rows, configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loom_py.errors import FormatError, InputError, ModelError
from loom_py.formats.gguf import GGUFFile
from loom_py.formats.source import FileSource
from loom_py.models.llama import Llama, LlamaConfig
from loom_py.models.registry import gguf_config, gguf_decoder
from loom_py.models.rope import inverse_frequencies, unpermute_rope_rows
from loom_py.schema.fields import FILE, Fields

from ..formats.conftest import open_file, tiny  # noqa: F401 (fixtures)
from ..formats.tiny_gguf import HEADS, KV_HEADS, TinyGGUF, permute, write_tiny_gguf

Open = Callable[[Path], FileSource]

METADATA: dict[str, Any] = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.context_length": 128,
    "llama.embedding_length": 64,
    "llama.feed_forward_length": 96,
    "llama.attention.head_count": 4,
    "llama.vocab_size": 100,
}

QWEN2 = {key.replace("llama.", "qwen2."): value for key, value in METADATA.items() if key.startswith("llama.")}


def llama(metadata: Mapping[str, Any], file: GGUFFile | None = None) -> LlamaConfig:
    """The configuration by way of `config.json`, as in the loader."""
    return LlamaConfig.read(Fields(gguf_config(metadata, file), file="config.json", rules=FILE))


def test_the_file_holds_the_weights_under_their_names(tiny: TinyGGUF, open_file: Open) -> None:  # noqa: F811
    file = GGUFFile(open_file(tiny.path))
    weights = {weight.name: weight for weight in gguf_decoder(file).weights()}
    assert sorted(weight.gguf for weight in weights.values()) == sorted(file.names())
    assert {name: weight.shape for name, weight in weights.items()} == {n: w.shape for n, w in tiny.weights.items()}
    biased = Fields(gguf_config(METADATA) | {"attention_bias": True}, file="config.json", rules=FILE)
    assert "blk.1.attn_q.bias" in {weight.gguf for weight in Llama.read(biased).weights()}


@pytest.mark.parametrize(("heads", "dim"), [(1, 2), (3, 64), (4, 6)])
def test_rows_come_back(heads: int, dim: int) -> None:
    """Rows of numbers, of raw bytes, and a bias; the permutation is written out in `tiny_gguf.permute`."""
    rng = np.random.default_rng(heads)
    shapes = [rng.normal(size=(heads * dim, 5)), rng.integers(0, 255, (heads * dim, 34), np.uint8)]
    for weight in [*shapes, rng.normal(size=heads * dim)]:
        back = unpermute_rope_rows(permute(weight, heads), heads)
        assert back.dtype == weight.dtype
        np.testing.assert_array_equal(back, weight)


def test_raw_and_widened_rows_agree(tiny: TinyGGUF, open_file: Open) -> None:  # noqa: F811
    file = GGUFFile(open_file(tiny.path))
    for part, heads in (("q", HEADS), ("k", KV_HEADS)):
        raw = unpermute_rope_rows(file.raw_rows(f"blk.1.attn_{part}.weight"), heads)
        scales = raw.reshape(len(raw), -1, 34)[:, :, :2].copy().view(np.float16).astype(np.float32)
        numbers = raw.reshape(len(raw), -1, 34)[:, :, 2:].view(np.int8) * scales
        expected = tiny.weights[f"model.layers.1.self_attn.{part}_proj.weight"]
        np.testing.assert_array_equal(numbers.reshape(expected.shape), expected)
        np.testing.assert_array_equal(unpermute_rope_rows(file.load(f"blk.1.attn_{part}.weight"), heads), expected)


def test_rows_that_do_not_divide() -> None:
    with pytest.raises(InputError, match="do not divide into 4 heads"):
        unpermute_rope_rows(np.zeros((12, 2)), 4)


def test_configuration(tiny: TinyGGUF, open_file: Open) -> None:  # noqa: F811
    file = GGUFFile(open_file(tiny.path))
    config = llama(file.metadata, file)
    assert (config.hidden_size, config.intermediate_size, config.head_dim) == (64, 96, 16)
    assert (config.num_attention_heads, config.num_key_value_heads, config.num_hidden_layers) == (4, 2, 2)
    assert (config.rms_norm_eps, config.rope_theta, config.rope_scaling) == (1e-5, 1e4, None)
    assert (config.tie_word_embeddings, config.bos_token_id, config.eos_token_ids) == (False, 1, (2,))
    assert config.vocab_size == len(tiny.tokens)


def test_defaults_without_the_file() -> None:
    config = llama(METADATA)
    assert config.num_key_value_heads == 4
    assert config.tie_word_embeddings
    assert (config.rope_theta, config.bos_token_id) == (10000.0, None)
    per_layer = METADATA | {
        "llama.attention.head_count_kv": [2, 2],
        "llama.rope.freq_base": float(np.float32(500000.1)),
    }
    config = llama(per_layer)
    assert (config.num_key_value_heads, config.rope_theta) == (2, 500000.1)


def test_linear_scaling() -> None:
    scaled = METADATA | {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}
    scaling = llama(scaled).rope_scaling
    assert scaling is not None
    assert (scaling.kind, scaling.factor) == ("linear", 4.0)


def test_llama3_frequencies(tmp_path: Path, open_file: Open) -> None:  # noqa: F811
    """Llama 3.1's scaling is in the file as a tensor only: what each frequency is divided by."""
    theta, factor = 500000.0, 8.0
    divisors = []
    for i in range(8):
        wavelength = 2 * np.pi * theta ** (i / 8)
        smooth = (8192 / wavelength - 1) / 3
        divisors.append(
            1 if wavelength < 2048 else factor if wavelength > 8192 else 1 / ((1 - smooth) / factor + smooth)
        )
    extra = {"rope_freqs.weight": np.array(divisors, np.float32)}
    file = GGUFFile(open_file(write_tiny_gguf(tmp_path / "a.gguf", theta=theta, extra=extra).path))
    scaling = llama(file.metadata, file).rope_scaling
    assert scaling is not None
    assert (scaling.kind, scaling.factor, scaling.original_max_position_embeddings) == ("llama3", 8.0, 8192)


def test_other_divisors_of_frequencies(tmp_path: Path, open_file: Open) -> None:  # noqa: F811
    """They serve sequences of every length."""
    divisors = np.linspace(1, 8, 8).astype(np.float32)
    path = write_tiny_gguf(tmp_path / "a.gguf", extra={"rope_freqs.weight": divisors}).path
    file = GGUFFile(open_file(path))
    config = llama(file.metadata, file)
    for long in (False, True):
        scaled = inverse_frequencies(16, config.rope_theta, config.rope_scaling, long=long)
        np.testing.assert_allclose(scaled * divisors, inverse_frequencies(16, config.rope_theta), rtol=1e-6)
    decoder = gguf_decoder(file)
    assert isinstance(decoder, Llama)
    assert decoder.query_factor == 1.0
    extra = {"rope_freqs.weight": divisors[:5]}
    file = GGUFFile(open_file(write_tiny_gguf(tmp_path / "b.gguf", extra=extra).path))
    with pytest.raises(ModelError, match=r"b\.gguf at byte \d+: rope_freqs.weight has shape \[5\], expected \[8\]"):
        gguf_config(file.metadata, file)


@pytest.mark.parametrize(
    ("change", "key", "kind"),
    [
        ({"general.architecture": "qwen2moe"}, "general.architecture", ModelError),
        ({"general.architecture": 3}, "general.architecture", FormatError),
        ({"llama.expert_count": 8}, "llama.expert_used_count", FormatError),
        ({"general.architecture": "qwen2", "qwen2.expert_count": 8} | QWEN2, "qwen2.expert_count", ModelError),
        ({"llama.embedding_length": "64"}, "llama.embedding_length", FormatError),
        ({"llama.embedding_length": 0}, "llama.embedding_length", FormatError),
        ({"llama.block_count": None}, "llama.block_count", FormatError),
        ({"llama.attention.head_count": [4, 8]}, "llama.attention.head_count", ModelError),
        ({"llama.attention.head_count": []}, "llama.attention.head_count", ModelError),
        ({"llama.attention.value_length": 8}, "llama.attention", ModelError),
        ({"llama.rope.dimension_count": 8}, "llama.rope.dimension_count", ModelError),
        ({"llama.rope.scaling.type": "longrope"}, "llama.rope.scaling.type", ModelError),
        ({"llama.rope.scaling.type": "yarn"}, "llama.rope.scaling.factor", FormatError),
        ({"llama.rope.freq_base": 0.0}, "llama.rope.freq_base", FormatError),
        ({"llama.vocab_size": None}, "llama.vocab_size", FormatError),
    ],
)
def test_refused_with_its_key(change: dict[str, Any], key: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=key.replace(".", r"\.")):
        gguf_config(METADATA | change)
