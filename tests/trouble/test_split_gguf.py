"""A GGUF in parts: together, alone, joined, twice, of two models."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from loom_py.errors import FormatError, LoomError, ModelError
from loom_py.formats.gguf_split import open_gguf
from loom_py.formats.source import BytesSource, FileSource, Source
from loom_py.generation.language_model import LanguageModel
from loom_py.generation.loading import load_model, load_steps, load_tokenizer
from loom_py.generation.on_numpy import OnNumpy
from loom_py.models.convert import convert_gguf
from loom_py.progress import to_end
from tests.cli.conftest import Run, run  # noqa: F401 (a fixture)
from tests.formats.tiny_gguf import TinyGGUF, write_tiny_gguf


@dataclass
class Parts:
    whole: TinyGGUF
    paths: list[Path]

    def sources(self, *order: int) -> dict[str, Source]:
        return {self.paths[i].name: FileSource(self.paths[i]) for i in order}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """The small model in three parts."""
    folder = tmp_path_factory.mktemp("parts")
    whole = write_tiny_gguf(folder / "m.gguf", tensors_a_part=9)
    paths = sorted(folder.iterdir())
    assert [path.name for path in paths] == [f"m-0000{i}-of-00003.gguf" for i in (1, 2, 3)]
    return Parts(whole, paths)


def check(model: LanguageModel, parts: Parts) -> None:
    assert isinstance(model.model, OnNumpy)
    for name, weight in parts.whole.weights.items():
        np.testing.assert_array_equal(model.model.weights[name], weight)


# ggml-org/llama.cpp #6187, ngxson/wllama #135 and the trouble table: all parts of a split model
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_all_parts_load_together_in_any_order(parts: Parts, order: tuple[int, ...]) -> None:
    check(to_end(load_steps(parts.sources(*order))), parts)


@pytest.mark.parametrize("name", ["", "m-00001-of-00003.gguf", "m-00003-of-00003.gguf"])
def test_a_directory_or_any_part_stands_for_all(parts: Parts, name: str) -> None:
    check(load_model(parts.paths[0].parent / name), parts)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((0,), "parts 2, 3 of 3 are missing"),
        ((1,), "parts 1, 3 of 3 are missing"),
        ((0, 2), "part 2 of 3 is missing"),
        ((1, 2), "part 1 of 3 is missing"),
    ],
)
def test_what_is_missing_is_named(parts: Parts, given: tuple[int, ...], says: str) -> None:
    with pytest.raises(FormatError, match=says) as caught:
        to_end(load_steps(parts.sources(*given)))
    assert all(parts.paths[i].name in caught.value.remedy for i in range(3) if i not in given)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_parts_joined_by_cat_are_read(parts: Parts, order: tuple[int, ...], tmp_path: Path) -> None:
    # ggml-org/llama.cpp #9613: people join the parts as they join the pieces that `split` cuts
    (tmp_path / "joined.gguf").write_bytes(b"".join(parts.paths[i].read_bytes() for i in order))
    check(load_model(tmp_path / "joined.gguf"), parts)


def test_a_join_that_is_not_whole_says_what_is_missing(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "joined.gguf").write_bytes(b"".join(parts.paths[i].read_bytes() for i in (0, 1)))
    with pytest.raises(FormatError, match="part 3 of 3 is missing"):
        load_model(tmp_path / "joined.gguf")


def test_parts_given_twice_and_of_other_models_are_named(parts: Parts, tmp_path: Path) -> None:
    first = FileSource(parts.paths[0])
    with pytest.raises(FormatError, match=r"is part 1 of 3, and so is m-00001-of-00003\.gguf"):
        open_gguf([first, BytesSource(parts.paths[0].read_bytes(), "copy.gguf")])
    other = write_tiny_gguf(tmp_path / "o.gguf", tensors_a_part=12)
    with pytest.raises(FormatError, match="is one of 2 parts, and m-00001-of-00003"):
        open_gguf([first, FileSource(tmp_path / "o-00002-of-00002.gguf")])
    whole = write_tiny_gguf(tmp_path / "whole.gguf")
    with pytest.raises(FormatError, match="is a whole GGUF"):
        open_gguf([first, FileSource(whole.path)])
    assert other.tokens == whole.tokens


def test_a_part_of_another_model_of_as_many_parts_is_refused(parts: Parts, tmp_path: Path) -> None:
    write_tiny_gguf(tmp_path / "o.gguf", tied=True, tensors_a_part=9)
    for path in parts.paths[:2]:
        shutil.copy(path, tmp_path / path.name)
    shutil.copy(tmp_path / "o-00003-of-00003.gguf", tmp_path / parts.paths[2].name)
    with pytest.raises(LoomError, match=r"tensors, and split\.tensors\.count says|lies in two parts"):
        load_model(tmp_path / parts.paths[0].name)


def test_the_command_line_takes_a_part_for_all(run: Run, parts: Parts, tmp_path: Path) -> None:  # noqa: F811
    status, out, _ = run("generate", "--model", parts.paths[1], "--prompt", "hello", "--max-tokens", "2", "--json")
    assert (status, "text" in out) == (0, True)
    assert run("tokenize", "hello", "--model", parts.paths[2])[0] == 0
    assert load_tokenizer(parts.paths[0].parent).encode("hello") == load_tokenizer(parts.paths[1]).encode("hello")
    shutil.copy(parts.paths[0], tmp_path / parts.paths[0].name)
    status, _, error = run("generate", "--model", tmp_path, "--prompt", "hello")
    assert status == 1
    assert "parts 2, 3 of 3 are missing" in error
    status, _, error = run("convert", parts.paths[1], tmp_path / "converted")
    assert status == 0, error
    check(load_model(tmp_path / "converted"), parts)


def test_a_conversion_reads_all_parts(parts: Parts, tmp_path: Path) -> None:
    convert_gguf([FileSource(path) for path in parts.paths], tmp_path / "converted")
    check(load_model(tmp_path / "converted"), parts)


def test_pieces_that_split_cut_are_named(parts: Parts, tmp_path: Path) -> None:
    # oobabooga/textgen #6187
    data = parts.paths[0].read_bytes()
    for i in (1, 2):
        (tmp_path / f"m.Q8_0.gguf.part{i}of2").write_bytes(data[(i - 1) * 1000 : i * 1000])
    for place in (tmp_path, tmp_path / "m.Q8_0.gguf.part1of2"):
        with pytest.raises(ModelError, match=r"part1of2, m\.Q8_0\.gguf\.part2of2 are pieces of a \.gguf"):
            load_model(place)
