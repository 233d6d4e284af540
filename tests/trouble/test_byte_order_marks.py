"""Byte order marks, as Windows editors and PowerShell write them: skipped in templates, named in JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from loom_py.errors import FormatError, LoomError, TemplateError
from loom_py.formats.program_file import load_program
from loom_py.formats.safetensors import SafetensorsIndex
from loom_py.formats.source import BytesSource
from loom_py.generation.loading import load_model
from loom_py.models.registry import read_decoder_file
from loom_py.network.loading import build_network_from_json
from loom_py.network.model_bundle import load_bundle_from_string
from loom_py.text.chat_template import ChatTemplate
from loom_py.text.tokenizer import Tokenizer
from tests.browser import tiny_checkpoint
from tests.cli.conftest import JOB, Run, run  # noqa: F401 (a fixture)

MARK = "\ufeff"
TEMPLATE = "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}"
READERS: dict[str, Callable[[bytes], object]] = {
    "config.json": lambda data: read_decoder_file(BytesSource(data, "config.json")),
    "tokenizer.json": lambda data: Tokenizer.from_json(BytesSource(data, "tokenizer.json")),
    "tokenizer.json as text": lambda data: Tokenizer.from_json(data.decode()),
    "index": lambda data: SafetensorsIndex(BytesSource(data, "index.json"), {}),
    "bundle": load_bundle_from_string,
    "bundle as text": lambda data: load_bundle_from_string(data.decode()),
    "configuration as text": lambda data: build_network_from_json(data.decode()),
    "program": load_program,
}


@pytest.mark.parametrize("name", READERS)
def test_a_mark_in_json_is_named(name: str) -> None:
    # microsoft/vscode and PowerShell write it; found by attack
    with pytest.raises(FormatError, match="begins with a byte order mark") as caught:
        READERS[name](f"{MARK}{{}}".encode())
    assert caught.value.remedy == "Save it as UTF-8 without a byte order mark."


@pytest.mark.parametrize("codec", ["utf-16", "utf-32"])
def test_json_in_another_encoding_is_named(codec: str) -> None:
    # PowerShell's > writes UTF-16: found by attack
    with pytest.raises(FormatError, match=f"is text in {codec.upper()}") as caught:
        read_decoder_file(BytesSource('{"model_type": "llama"}'.encode(codec), "config.json"))
    assert "UTF-8" in caught.value.remedy


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_directory_names_the_file_with_the_mark(tmp_path: Path, name: str) -> None:
    # trouble table: "damaged, fetch it again"
    directory = tiny_checkpoint.write(tmp_path / "tiny")
    path = directory / name
    path.write_text(MARK + path.read_text(), encoding="utf-8")
    with pytest.raises(LoomError, match=f"{name}.*byte order mark"):
        load_model(directory)


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-8"])
def test_a_template_file_is_read_without_its_mark(tmp_path: Path, codec: str) -> None:
    # trouble table: the mark enters the prompt
    directory = tiny_checkpoint.write(tmp_path / "tiny")
    (directory / "chat_template.jinja").write_text("Täglich: " + TEMPLATE, encoding=codec)
    prompt = load_model(directory).chat_prompt([{"role": "user", "content": "hi"}]).text
    assert prompt.startswith("Täglich: ")
    assert MARK not in prompt


def test_a_template_in_json_loses_its_mark(tmp_path: Path) -> None:
    directory = tiny_checkpoint.write(tmp_path / "tiny")
    for template in (MARK + TEMPLATE, [{"name": "default", "template": MARK + TEMPLATE}]):
        (directory / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
        assert load_model(directory).chat_prompt([{"role": "user", "content": "hi"}]).text[-2:] == "hi"
        assert MARK not in load_model(directory).chat_prompt([{"role": "user", "content": "hi"}]).text


@pytest.mark.parametrize("text", ["version https://git-lfs.github.com/spec/v1\noid", "<!DOCTYPE html><html></html>"])
def test_what_is_no_template_is_named_when_chat_is_used(text: str) -> None:
    # found by attack: a pointer or a page as chat_template.jinja would be the prompt
    template = ChatTemplate(text)
    with pytest.raises(TemplateError, match="not a template"):
        template.render([{"role": "user", "content": "hi"}])


def test_the_command_line_names_a_mark_in_a_job(run: Run, tmp_path: Path) -> None:  # noqa: F811 (a fixture)
    (tmp_path / "job.json").write_text(MARK + json.dumps(JOB), encoding="utf-8")
    for command in ("train", "inspect"):
        status, _, error = run(command, tmp_path / "job.json")
        assert status == 1
        assert "Save it as UTF-8 without a byte order mark" in error
