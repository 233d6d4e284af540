"""Conversion: exact numbers in order, a tokenizer with equal ids, and a directory that is complete or absent."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import tokenizers

from loom_py.errors import InputError, LoomError, ModelError
from loom_py.formats.checkpoint import TensorInfo
from loom_py.formats.gguf import GGUFFile
from loom_py.formats.narrow import narrowed
from loom_py.formats.safetensors import SafetensorsFile, SafetensorsIndex
from loom_py.formats.source import BytesSource, FileSource
from loom_py.models import convert
from loom_py.models.convert import convert_gguf
from loom_py.models.registry import gguf_decoder, read_decoder
from loom_py.text.tokenizer import Tokenizer

from .tiny_gguf import TEMPLATE, TinyGGUF, write_tiny_gguf

Open = Callable[[Path], FileSource]
TEXTS = [
    "hello world",
    "Hello  WORLD 12345\n\n\tx",
    "<|im_start|>user\nhé ✓ 🎈<|im_end|>\n",
    "",
    " ",
    "it's 3.14—ünïcödé ١٢٣",
]


@pytest.fixture
def small(tiny: TinyGGUF, open_file: Open) -> FileSource:
    return open_file(tiny.path)


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_float32_is_exact(tiny: TinyGGUF, small: FileSource, tmp_path: Path) -> None:
    steps: list[tuple[int, int, str]] = []
    report = convert_gguf(small, tmp_path / "out", progress=lambda *step: steps.append(step))
    written = safetensors.numpy.load_file(tmp_path / "out" / "model.safetensors")
    assert set(written) == set(tiny.weights)
    for name, weight in tiny.weights.items():
        assert written[name].dtype == np.float32
        np.testing.assert_array_equal(written[name], weight, err_msg=name)
    assert report.parameters == sum(w.size for w in tiny.weights.values())
    assert report.tensors == len(steps) == len(tiny.weights)
    assert steps[-1][0] == steps[-1][1] == 4 * report.parameters
    assert report.files == {p.name: p.stat().st_size for p in (tmp_path / "out").iterdir()}
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_the_documents(tiny: TinyGGUF, small: FileSource, tmp_path: Path) -> None:
    convert_gguf(small, tmp_path)
    converted, original = read_decoder(read_json(tmp_path / "config.json")), gguf_decoder(GGUFFile(small))
    assert converted.facts == original.facts
    assert [(w.name, w.shape) for w in converted.weights()] == [(w.name, w.shape) for w in original.weights()]
    assert read_json(tmp_path / "generation_config.json")["eos_token_id"] == 2
    settings = read_json(tmp_path / "tokenizer_config.json")
    assert settings["chat_template"] == TEMPLATE
    assert (settings["bos_token"], settings["eos_token"]) == ("<|im_start|>", "<|im_end|>")
    assert (settings["unk_token"], settings["model_max_length"]) == ("<|endoftext|>", 128)
    assert settings["added_tokens_decoder"]["1"]["content"] == "<|im_start|>"


@pytest.mark.parametrize("pre", ["smollm", "gpt-2", "llama-bpe", "qwen2", "default"])
def test_tokenizer_gives_the_same_ids(pre: str, tmp_path: Path, open_file: Open) -> None:
    """The package reading our tokenizer.json, and our own tokenizer reading it and the GGUF file's metadata."""
    source = open_file(write_tiny_gguf(tmp_path / "t.gguf", pre=pre, add_bos=True).path)
    convert_gguf(source, tmp_path / "out")
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    ours = Tokenizer.from_json((tmp_path / "out" / "tokenizer.json").read_bytes())
    direct = Tokenizer.from_gguf(GGUFFile(source).metadata)
    for text in TEXTS:
        ids = theirs.encode(text).ids
        assert ids[0] == 1
        assert ours.encode(text) == direct.encode(text) == ids
        assert theirs.decode(ids, skip_special_tokens=False) == "<|im_start|>" + text


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(dtype: Any, tiny: TinyGGUF, small: FileSource, tmp_path: Path) -> None:
    convert_gguf(small, tmp_path / "out", dtype=dtype)
    file = SafetensorsFile(BytesSource((tmp_path / "out" / "model.safetensors").read_bytes(), "x"))
    limit = 2.0**-11 if dtype == "float16" else 2.0**-8
    for name, weight in tiny.weights.items():
        assert file.info(name).dtype == {"float16": "F16", "bfloat16": "BF16"}[dtype]
        assert (np.abs(file.load(name) - weight) <= np.abs(weight) * limit + 1e-7).all()
    assert read_json(tmp_path / "out" / "config.json")["torch_dtype"] == dtype


def test_bfloat16_rounds_to_even_and_keeps_nan() -> None:
    bits = np.array([0x3F808000, 0x3F818000, 0x3F808001, 0x7F7FFFFF, 0x7F800001, 0xFF800000, 0], np.uint32)
    narrow = narrowed(bits.view(np.float32), "bfloat16", TensorInfo("model.norm.weight", (7,), "F32", 0, 28))
    assert [hex(v) for v in narrow] == ["0x3f80", "0x3f82", "0x3f81", "0x7f80", "0x7fc0", "0xff80", "0x0"]


def test_shards(tiny: TinyGGUF, small: FileSource, tmp_path: Path) -> None:
    report = convert_gguf(small, tmp_path / "out", max_shard_bytes=100_000)
    shards = {
        n: BytesSource((tmp_path / "out" / n).read_bytes(), n) for n in report.files if n.endswith(".safetensors")
    }
    assert len(shards) > 1
    assert all(f"-of-{len(shards):05}." in name for name in shards)
    index = BytesSource((tmp_path / "out" / "model.safetensors.index.json").read_bytes(), "index")
    checkpoint = SafetensorsIndex(index, shards)
    for name, weight in tiny.weights.items():
        np.testing.assert_array_equal(checkpoint.load(name), weight)
    assert checkpoint.metadata["total_size"] == 4 * report.parameters


def test_tied_head_is_not_written(tmp_path: Path, open_file: Open) -> None:
    convert_gguf(open_file(write_tiny_gguf(tmp_path / "t.gguf", tied=True).path), tmp_path / "out")
    assert "lm_head.weight" not in safetensors.numpy.load_file(tmp_path / "out" / "model.safetensors")
    assert read_json(tmp_path / "out" / "config.json")["tie_word_embeddings"] is True


def test_replaces_an_earlier_conversion_whole(small: FileSource, tmp_path: Path) -> None:
    convert_gguf(small, tmp_path / "out", max_shard_bytes=100_000)
    report = convert_gguf(small, tmp_path / "out", dtype="float16")
    assert sorted(report.files) == sorted(p.name for p in (tmp_path / "out").iterdir())
    assert "model.safetensors.index.json" not in report.files


def test_leaves_other_files_alone(small: FileSource, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="other files in it"):
        convert_gguf(small, out)
    assert (out / "thesis.txt").read_text() == "precious"
    convert_gguf(small, out, overwrite=True)
    assert "thesis.txt" not in [p.name for p in out.iterdir()]
    (out / "folder").mkdir()
    with pytest.raises(InputError, match="holds directories"):
        convert_gguf(small, out, overwrite=True)
    with pytest.raises(InputError, match="is not a directory"):
        convert_gguf(small, out / "config.json")
    (tmp_path / "link").symlink_to(out)
    with pytest.raises(InputError, match="is not a directory"):
        convert_gguf(small, tmp_path / "link", overwrite=True)


@pytest.mark.parametrize("after", [0, 3])
def test_nothing_stays_behind_after_a_failure(after: int, small: FileSource, tmp_path: Path) -> None:
    """The progress function raises in the middle; an earlier conversion stays as it was."""
    convert_gguf(small, tmp_path / "old", dtype="float16")
    before = {p.name: p.read_bytes() for p in (tmp_path / "old").iterdir()}

    def stop(done: int, total: int, name: str) -> None:
        nonlocal after
        after -= 1
        if after < 0:
            raise KeyboardInterrupt

    for target in ("old", "new"):
        with pytest.raises(KeyboardInterrupt):
            convert_gguf(small, tmp_path / target, max_shard_bytes=10_000, progress=stop)
    assert {p.name: p.read_bytes() for p in (tmp_path / "old").iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["old"]


def test_a_rename_that_fails_brings_the_old_directory_back(
    small: FileSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert_gguf(small, tmp_path / "out", dtype="float16")
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.suffix == ".part":
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(InputError, match="cannot be written"):
        convert_gguf(small, tmp_path / "out")
    assert read_json(tmp_path / "out" / "config.json")["torch_dtype"] == "float16"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_full_disk(small: FileSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(InputError, match="but 0 are free"):
        convert_gguf(small, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_without_the_writer(small: FileSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    with pytest.raises(InputError, match="pip install safetensors"):
        convert_gguf(small, tmp_path / "out")


@pytest.mark.parametrize("options", [{"dtype": "int8"}, {"max_shard_bytes": 0}])
def test_bad_options(options: Any, small: FileSource, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        convert_gguf(small, tmp_path / "out", **options)


def test_models_that_do_not_fit_their_configuration(tmp_path: Path, open_file: Open) -> None:
    extra = {"blk.0.attn_q_norm.weight": np.zeros(16, np.float32)}
    strange = open_file(write_tiny_gguf(tmp_path / "a.gguf", extra=extra).path)
    with pytest.raises(ModelError, match=r"a\.gguf at byte \d+: the tensor blk\.0\.attn_q_norm\.weight has no place"):
        convert_gguf(strange, tmp_path / "out")
    large = write_tiny_gguf(tmp_path / "b.gguf", kind="F32").path
    raw = bytearray(large.read_bytes())
    raw[-4:] = np.float32(1e6).tobytes()
    with pytest.raises(ModelError, match="beyond float16's 65504"):
        convert_gguf(BytesSource(raw, "b.gguf"), tmp_path / "out", dtype="float16")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("cut", [0, 3, 20, 500, 3000, 20_000, -100])
def test_truncated_files_leave_nothing(cut: int, tiny: TinyGGUF, tmp_path: Path) -> None:
    with pytest.raises(LoomError, match=r"cut\.gguf at byte \d+"):
        convert_gguf(BytesSource(tiny.path.read_bytes()[:cut], "cut.gguf"), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.model
def test_real_model(real_gguf: Path, open_file: Open, tmp_path: Path) -> None:
    source = open_file(real_gguf)
    report = convert_gguf(source, tmp_path / "out", max_shard_bytes=300_000_000)
    assert (report.tensors, report.parameters) == (272, 134_515_008)
    shards = {n: open_file(tmp_path / "out" / n) for n in report.files if n.endswith(".safetensors")}
    checkpoint = SafetensorsIndex(open_file(tmp_path / "out" / "model.safetensors.index.json"), shards)
    file = GGUFFile(source)
    np.testing.assert_array_equal(checkpoint.load("model.embed_tokens.weight"), file.load("token_embd.weight"))
    q = file.load("blk.7.attn_q.weight")
    np.testing.assert_array_equal(checkpoint.load("model.layers.7.self_attn.q_proj.weight")[1], q[2])
    np.testing.assert_array_equal(checkpoint.load("model.layers.7.self_attn.q_proj.weight")[64 + 33], q[64 + 3])
    published = json.loads(gzip.decompress((Path(__file__).parents[1] / "data/smollm2-tokenizer.json.gz").read_bytes()))
    assert read_json(tmp_path / "out" / "tokenizer.json") == published
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    direct = Tokenizer.from_gguf(file.metadata)
    for text in TEXTS:
        assert theirs.encode(text).ids == direct.encode(text)
    assert read_decoder(read_json(tmp_path / "out" / "config.json")).facts.num_hidden_layers == 30
