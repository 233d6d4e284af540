"""The commands that run encoders: embed and logits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from loom_py.generation.loading import load_any_model

from ..generation.test_embeddings import DATA, folder
from .conftest import Run


def test_embed(run: Run, tmp_path: Path) -> None:
    path = folder(tmp_path)
    texts = ["a bee", "the fox", ""]
    status, out, _ = run("embed", "--model", path, "--device", "numpy", "--json", stdin=json.dumps(texts))
    assert status == 0
    np.testing.assert_allclose(json.loads(out), load_any_model(path).embed(texts), rtol=1e-6)
    assert run("embed", "--model", path, "--json", stdin="[]")[1] == "[]\n"
    assert "'a bee': 32 numbers" in run("embed", "--model", path, stdin=json.dumps(texts))[1]


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        ("{", "standard input at byte 1"),
        ("{}", "expected a JSON array of texts, got an object"),
        ('["a", 1]', "expected a text, got a number"),
    ],
)
def test_embed_refuses(run: Run, stdin: str, message: str) -> None:
    status, out, err = run("embed", "--model", DATA / "encoders" / "bert", "--json", stdin=stdin)
    assert status == 1
    assert message in err
    assert message in json.dumps(json.loads(out)["error"])


def test_logits_and_hidden_states(run: Run) -> None:
    for name, key in (("bert", "hidden"), ("bert-mlm", "logits")):
        path = DATA / "encoders" / name
        expected = json.loads((path / "expected.json").read_text())
        status, out, _ = run("logits", "--model", path, "--ids", json.dumps(expected["ids"][0]), "--json")
        assert status == 0
        rows = np.array(json.loads(out)[key])
        reference = np.array(expected[key][0])
        assert np.linalg.norm(rows - reference) < 2e-4 * np.linalg.norm(reference)


def test_encoders_do_not_generate(run: Run) -> None:
    status, _, err = run("generate", "--model", DATA / "encoders" / "bert", "--ids", "[1]")
    assert status == 1
    assert "the model embeds texts and cannot continue them" in err


def test_inspect(run: Run) -> None:
    status, out, _ = run("inspect", DATA / "encoders" / "bert", "--json")
    assert status == 0
    report = json.loads(out)["model"]
    assert (report["family"], report["kind"], report["memory"]["cache"]) == ("bert", "encoder", 0)
    assert "tokenizer" in report["problem"]
