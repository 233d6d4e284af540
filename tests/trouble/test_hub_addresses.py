"""Addresses on the hub as people copy them: one table for Python, the command line and the page."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from loom_py.bridge.opening import hub_address
from loom_py.errors import InputError, ModelError
from loom_py.formats.hub_address import parse_hub_address
from loom_py.generation.loading import load_model, load_tokenizer
from tests.browser import tiny_checkpoint
from tests.cli.conftest import Run, run  # noqa: F401 (a fixture)
from tests.conftest import ROOT
from tests.formats.tiny_gguf import write_tiny_gguf

# The trouble table; owner/name:TAG comes from ollama and llama.cpp's -hf; the rest found by newcomers and attack.
CASES: dict[str, list[list[Any]]] = json.loads((ROOT / "tests" / "data" / "hub_addresses.json").read_text())
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(("text", "means"), CASES["understood"])
def test_an_address_is_understood(text: str, means: dict[str, str]) -> None:
    address = dataclasses.asdict(parse_hub_address(text))
    assert {key: value for key, value in address.items() if value} == means
    assert json.loads(hub_address(text)) == address


@pytest.mark.parametrize(("text", "says"), CASES["refused"])
def test_what_is_no_model_is_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        parse_hub_address(text)
    assert "owner/name" in caught.value.remedy


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache as Hugging Face's tools leave it, with a model and a repository of quantisations."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for name in ("tiny", "quants"):
        folder = tmp_path / f"models--owner--{name}"
        for revision in ("main", "refs/pr/1"):
            (folder / "refs" / revision).parent.mkdir(parents=True, exist_ok=True)
            (folder / "refs" / revision).write_text(COMMIT)
        snapshot = folder / "snapshots" / COMMIT
        if name == "tiny":
            tiny_checkpoint.write(snapshot)
        else:
            snapshot.mkdir(parents=True)
            path = write_tiny_gguf(snapshot / "m-Q8_0.gguf").path
            shutil.copy(path, snapshot / "m-Q4_K_M.gguf")
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "https://huggingface.co/owner/tiny",
        "owner/tiny",
        "owner/tiny@refs/pr/1",
        "hf.co/owner/tiny/tree/main",
        f"https://huggingface.co/owner/tiny/resolve/{COMMIT}/model.safetensors?download=true",
        "owner/quants:Q8_0",
        "https://huggingface.co/owner/quants/blob/refs%2Fpr%2F1/m-Q4_K_M.gguf",
    ],
)
def test_the_command_line_takes_what_was_fetched(run: Run, cache: Path, text: str) -> None:  # noqa: F811
    status, out, error = run("generate", "--model", text, "--prompt", "a", "--max-tokens", "1", "--json")
    assert status == 0, error
    assert json.loads(out)["text"] is not None
    assert load_tokenizer(text).vocab_size > 200


def test_what_was_not_fetched_is_said_with_the_command_that_fetches_it(run: Run, cache: Path) -> None:  # noqa: F811
    for text, command in (
        ("https://huggingface.co/owner/other", "hf download owner/other."),
        ("owner/other", "hf download owner/other."),
        ("owner/other:Q4_K_M", 'hf download owner/other --include "*Q4_K_M*".'),
        ("owner/other@refs/pr/2/x.gguf", "hf download owner/other x.gguf --revision refs/pr/2."),
        ("hf.co/owner/quants/blob/main/none.gguf", "hf download owner/quants none.gguf --revision main."),
    ):
        status, _, error = run("generate", "--model", text, "--prompt", "a")
        assert status == 1
        assert command in error
    assert "is the address of a data set" in run("generate", "--model", "hf.co/datasets/a/b", "--prompt", "a")[2]
    with pytest.raises(ModelError, match=r"2 GGUF files at once.*m-Q8_0\.gguf"):
        load_model("owner/quants")
    with pytest.raises(ModelError, match=r"no \.gguf file is tagged 'Q2_K'.*m-Q4_K_M\.gguf, m-Q8_0\.gguf"):
        load_model("owner/quants:Q2_K")
