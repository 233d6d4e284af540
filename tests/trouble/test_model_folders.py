"""Which files of a folder make a model: one rule, said in words."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from loom_py.errors import InputError, ModelError
from loom_py.formats.folder import choose_files
from loom_py.generation.loading import load_model
from tests.browser import tiny_checkpoint
from tests.cli.conftest import Run, run  # noqa: F401 (a fixture)
from tests.formats.tiny_gguf import write_tiny_gguf

BASE = ("config.json", "tokenizer.json", "tokenizer_config.json")
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
IN_X = tuple(f"x/{name}" for name in (*BASE, SINGLE))

# The trouble table's two folders, and what people's folders and repositories hold besides; found by newcomers.
CHOSEN: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "gguf beside safetensors": ((*BASE, SINGLE, "m.gguf"), (*BASE, SINGLE), ("m.gguf is left alone",)),
    "adapter": ((*BASE, SINGLE, "adapter_model.safetensors"), (*BASE, SINGLE), ("adapter_model.safetensors is an",)),
    "lora": ((*BASE, SINGLE, "pytorch_lora_weights.safetensors"), (*BASE, SINGLE), ("pytorch_lora_weights",)),
    "consolidated": ((*BASE, SINGLE, "consolidated.safetensors"), (*BASE, SINGLE), ("consolidated.safetensors",)),
    "precision": ((*BASE, SINGLE, "model.fp16.safetensors"), (*BASE, SINGLE), ("model.fp16.safetensors",)),
    "original": ((*BASE, SINGLE, "original/consolidated.00.pth", "original/params.json"), (*BASE, SINGLE), ()),
    "shards and whole": ((*BASE, SINGLE, INDEX, *SHARDS), (*BASE, SINGLE), SHARDS),
    "optimizer": ((*BASE, SINGLE, "optimizer.safetensors"), (*BASE, SINGLE), ("optimizer.safetensors is the state",)),
    "mmproj": (("m-Q4.gguf", "mmproj-m-f16.gguf"), ("m-Q4.gguf",), ("mmproj-m-f16.gguf projects images",)),
    "imatrix": (("m-Q4.gguf", "m.imatrix.gguf"), ("m-Q4.gguf",), ("m.imatrix.gguf is an importance",)),
    "gguf adapter": (("m-Q4.gguf", "m-lora-f16.gguf"), ("m-Q4.gguf",), ("m-lora-f16.gguf is an adapter",)),
    "hidden": ((".cache/x.gguf", "._m.gguf", "m.gguf"), ("m.gguf",), ()),
    "no tokenizer": (("config.json", SINGLE, "m.gguf"), ("m.gguf",), ()),
    "shallowest": (("a/b/m.gguf", "a/n.gguf", "notes.txt"), ("a/n.gguf",), ()),
    "one folder of two": ((*IN_X, "y/m.gguf"), IN_X, ()),
    "odd name": ((*BASE, "weights.safetensors"), (*BASE, "weights.safetensors"), ()),
}  # fmt: skip


@pytest.mark.parametrize("case", CHOSEN)
def test_what_is_chosen_and_what_is_said(case: str) -> None:
    paths, files, notices = CHOSEN[case]
    choice = choose_files(paths[::-1])
    assert choice.files == files
    assert len(choice.notices) == len(notices)
    for notice in notices:
        assert any(said.startswith(notice) for said in choice.notices), choice.notices


def test_an_index_names_the_files_that_it_holds_together() -> None:
    paths = [*BASE, INDEX, *SHARDS, "consolidated.safetensors", "extra.safetensors"]
    before = choose_files(paths)
    assert before.index == INDEX
    assert set(SHARDS) < set(before.files)
    after = choose_files(paths, indexed=SHARDS)
    assert (after.index, after.files) == ("", (*BASE, INDEX, *SHARDS))
    with pytest.raises(ModelError, match=r"00002-of-00002\.safetensors is missing"):
        choose_files([*BASE, INDEX, SHARDS[0]], indexed=SHARDS)


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        (("a.gguf", "b.gguf"), "2 GGUF files at once"),
        ((*BASE, "a.safetensors", "b.safetensors"), "without model.safetensors.index.json"),
        (("adapter_config.json", "adapter_model.safetensors"), "is an adapter, and the model that it changes"),
        ((*BASE, "adapter_model.safetensors"), "is an adapter, and the model that it changes"),
        ((*BASE, "pytorch_model.bin"), "no .safetensors file among the files, and pytorch_model.bin cannot be read"),
        (BASE, "no .safetensors file"),
        ((SINGLE, "tokenizer.json"), "config.json is missing"),
        (("README.md",), "holds no model files"),
        (("m.gguf.part",), "m.gguf.part is a download that did not finish"),
        ((*BASE, "model.safetensors.crdownload"), "model.safetensors.crdownload is a download that did not finish"),
        (("m.gguf.aria2", "n.gguf.incomplete"), "are downloads that did not finish"),
        (("m.gguf.part1of2",), "m.gguf.part1of2 is a piece of a .gguf"),
    ],
)
def test_what_makes_no_model_is_said(paths: tuple[str, ...], says: str) -> None:
    with pytest.raises(ModelError, match=says) as caught:
        choose_files(paths, place="folder")
    assert caught.value.remedy


def test_who_names_a_file_gets_it() -> None:
    paths = [*BASE, SINGLE, "m.gguf", "model.fp16.safetensors"]
    assert choose_files(paths, named="m.gguf").files == ("m.gguf",)
    assert choose_files(paths, named="model.fp16.safetensors").files == (*BASE, "model.fp16.safetensors")
    assert choose_files(paths, named="config.json").files == (*BASE, SINGLE)
    split = ["s-00001-of-00002.gguf", "s-00002-of-00002.gguf"]
    assert choose_files([*paths, *split], named=split[1]).files == tuple(split)
    assert choose_files(["m-Q4_K_M.gguf", "m-Q8_0.gguf", *split], tag="q8_0").files == ("m-Q8_0.gguf",)


def test_directories_follow_it(run: Run, tmp_path: Path) -> None:  # noqa: F811 (a fixture)
    folder = tiny_checkpoint.write(tmp_path / "models" / "tiny")
    shutil.copy(folder / SINGLE, folder / "adapter_model.safetensors")
    path = write_tiny_gguf(folder / "m.gguf").path
    for place in (folder, folder / "config.json", tmp_path / "models"):
        model = load_model(place)
        assert model.model.decoder.facts.hidden_size == 24
        assert len(model.notices) == 2
    assert load_model(path).model.decoder.facts.hidden_size == 64
    status, _, error = run("generate", "--model", folder, "--prompt", "a", "--max-tokens", "1")
    assert status == 0
    assert "note: m.gguf is left alone beside model.safetensors. Name the .gguf to load it." in error
    assert "note: adapter_model.safetensors is an adapter and is not applied." in error


# Found by attack: pipes and devices raised Python's error, and an empty path was the directory one happened to be in.
def test_what_is_no_file_and_no_directory(run: Run, tmp_path: Path) -> None:  # noqa: F811 (a fixture)
    os.mkfifo(tmp_path / "model.safetensors")
    for place in (tmp_path / "model.safetensors", "/dev/null"):
        with pytest.raises(ModelError, match="is neither a file nor a directory"):
            load_model(place)
        status, _, error = run("generate", "--model", place, "--prompt", "a")
        assert status == 1
        assert "is neither a file nor a directory" in error
    with pytest.raises(InputError, match="path: is empty, expected a path"):
        load_model("")
    commands = (
        ("inspect", ""),
        ("convert", "", "x"),
        ("convert", "m.gguf", ""),
        ("generate", "--model", "", "--prompt", "a"),
    )
    for command in commands:
        status, _, error = run(*command)
        assert status == 1
        assert "is empty, expected a path" in error


# Found by attack: a folder that is named as a file is none.
@pytest.mark.parametrize(
    "name",
    [
        "chat_template.jinja",
        "generation_config.json",
        "m.gguf",
        "model-2.safetensors",
        "additional_chat_templates/x.jinja",
    ],
)
def test_folders_named_as_files_are_left_alone(tmp_path: Path, name: str) -> None:
    folder = tiny_checkpoint.write(tmp_path / "tiny")
    (folder / name).mkdir(parents=True)
    (folder / "loop").symlink_to(folder)
    (folder / "special_tokens_map.json").symlink_to("nowhere")
    model = load_model(folder)
    assert model.notices == ()
    assert model.chat_prompt([{"role": "user", "content": "hi"}]).text.startswith("<|im_start|>user")
