"""Files of models that are not what their names say, or not whole: what is said of them, and where."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from loom_py.errors import FormatError, LoomError
from loom_py.formats.gguf import GGUFFile
from loom_py.formats.safetensors import SafetensorsFile, SafetensorsIndex
from loom_py.formats.source import BytesSource
from loom_py.generation.loading import load_model, load_tokenizer
from loom_py.models.registry import read_decoder_file
from loom_py.network.loading import load_model_from_string
from loom_py.network.model_bundle import load_bundle_from_string
from loom_py.text.tokenizer import Tokenizer
from tests.browser import tiny_checkpoint
from tests.cli.conftest import Run, run  # noqa: F401 (a fixture)
from tests.formats.builders import entry, gguf_bytes, safetensors_bytes, tensor
from tests.formats.tiny_gguf import write_tiny_gguf


def zipped(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"data")
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.safetensors"))
    return file.getvalue()


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, w=np.zeros(3))
    return file.getvalue()


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 98765432\n"
PAGE = "\n<!DOCTYPE html>\n<html><head><title>Sign in – Hugging Face</title></head></html>"
REFUSAL = '{"error": "Invalid username or password."}'
FOREIGN: dict[str, tuple[bytes, str, str]] = {
    # huggingface/transformers #27923, microsoft/OmniParser #34, ollama/ollama #3010
    "git_lfs": (LFS.encode(), "is a Git LFS pointer", "git lfs pull"),
    # ggml-org/llama.cpp #3358 (the address of the page, with /blob/), tobi/qmd #548
    "web_page": (PAGE.encode(), "is a web page: 'Sign in – Hugging Face'", "/resolve/"),
    "json_error": (REFUSAL.encode(), "error message: 'Invalid username or password.'", "sign in"),
    "text_error": (b"Entry not found", "is plain text that begins with 'Entry not found'", "address"),
    "s3_error": (
        b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
        "an XML document: 'AccessDenied'",
        "sign in",
    ),
    "pytorch": (zipped("archive/data.pkl"), "is a PyTorch checkpoint", ".safetensors"),
    "pickle": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "is a Python pickle", ".safetensors"),
    "zip": (zipped("m.gguf"), "is a zip archive", "Unpack"),
    "npz": (npz(), "is a NumPy archive", "safetensors"),
    "npy": (npy(), "is a NumPy array", "safetensors"),
    "gzip": (gzip.compress(b"x" * 100), "is compressed with gzip", "gunzip"),
    "tar": (tarred(), "is a tar archive", "Unpack"),
    # ggml-org/llama.cpp #3905, #3492: files from before GGUF
    "ggjt": (b"tjgg\3\0\0\0" + bytes(40), "is a GGJT file", "convert_llama_ggml_to_gguf.py"),
    "swapped": (b"FUGG\3\0\0\0" + bytes(40), "swapped bytes", "little-endian"),
    "zeros": (bytes(5000), "nothing but zeros", "Fetch"),
    "empty": (b"", "is empty", "Fetch"),
    "utf16": ("{}".encode("utf-16"), "is text in UTF-16", "UTF-8"),
    "sentencepiece": (b"\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02", "SentencePiece", "tokenizer.json"),
}
READERS: dict[str, Callable[[BytesSource], object]] = {
    "m.gguf": GGUFFile,
    "model.safetensors": SafetensorsFile,
    "model.safetensors.index.json": lambda source: SafetensorsIndex(source, {}),
    "config.json": read_decoder_file,
    "tokenizer.json": Tokenizer.from_json,
    "bundle.json": lambda source: load_bundle_from_string(bytes(source.read(0, source.size))),
    "bundle of one": lambda source: load_model_from_string(bytes(source.read(0, source.size)), "a"),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_of_another_kind_is_named(name: str, kind: str) -> None:
    data, what, remedy = FOREIGN[kind]
    with pytest.raises(FormatError) as caught:
        READERS[name](BytesSource(data, name))
    assert what in caught.value.message
    assert remedy in caught.value.remedy
    assert "header of" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        # found by newcomers: files of this package's kinds under each other's names
        ("m.gguf", safetensors_bytes({"a": entry()}, bytes(4)), "is a safetensors file"),
        ("model.safetensors", gguf_bytes(), "is a GGUF file"),
        ("model.safetensors", b'{"model_type": "llama"}', "is JSON text"),
        ("config.json", gguf_bytes(), "is a GGUF file"),
        ("tokenizer.json", safetensors_bytes({"a": entry()}, bytes(4)), "is a safetensors file"),
    ],
)  # fmt: skip
def test_files_of_our_own_kinds_are_named(name: str, data: bytes, what: str) -> None:
    with pytest.raises(FormatError, match=what):
        READERS[name](BytesSource(data, name))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("m.gguf", gguf_bytes((), [tensor("t", [64])], bytes(256))),
        ("model.safetensors", safetensors_bytes({"a": entry(shape=[64], offsets=[0, 256])}, bytes(256))),
    ],
)
@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.99])
def test_a_truncated_file_is_said_to_be_truncated(name: str, data: bytes, share: float) -> None:
    with pytest.raises(FormatError, match=r"truncated|too few|do not fit|claims") as caught:
        READERS[name](BytesSource(data[: int(len(data) * share)], name))
    assert "fetch" in caught.value.remedy.lower()


def test_truncated_json_is_said_to_end_too_early(tmp_path: Path) -> None:
    directory = tiny_checkpoint.write(tmp_path / "tiny")
    path = directory / "tokenizer.json"
    path.write_text(path.read_text()[:-700])
    with pytest.raises(FormatError, match="the text ends too early"):
        load_tokenizer(path)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors", "tokenizer_config.json"])
def test_a_directory_with_pointers_says_which_file_is_one(tmp_path: Path, name: str) -> None:
    directory = tiny_checkpoint.write(tmp_path / "tiny")
    (directory / name).write_text(LFS)
    with pytest.raises(LoomError, match=f"{name}.*is a Git LFS pointer"):
        load_model(directory)


def test_the_command_line_names_them_too(run: Run, tmp_path: Path) -> None:  # noqa: F811 (a fixture)
    for name in ("m.gguf", "model.safetensors", "network.json", "model.bin"):
        for data, what in ((zipped("archive/data.pkl") + bytes(5000), "PyTorch"), (LFS.encode(), "Git LFS pointer")):
            (tmp_path / name).write_bytes(data)
            status, _, error = run("inspect", tmp_path / name)
            assert status == 1
            assert what in error, error
    (tmp_path / "job.json").write_bytes(REFUSAL.encode())
    assert "server's error message" in run("train", tmp_path / "job.json")[2]
    (tmp_path / "m.gguf").write_text(json.dumps({"error": {"message": "Repository not found"}}))
    for command in (("generate", "--prompt", "a"), ("tokenize", "a")):
        assert "Repository not found" in run(*command, "--model", tmp_path / "m.gguf")[2]


def test_a_whole_file_still_loads(tmp_path: Path) -> None:
    tiny = write_tiny_gguf(tmp_path / "tiny.gguf")
    assert load_model(tiny.path).model.decoder.facts.num_hidden_layers == 2
