"""`logits`, and `generate --ids`: models without a tokenizer on the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from loom_py.cli import main

from ..models.families import Case
from ..models.test_families import relative

CASE = Case("mixtral")
MODEL = ["--model", str(CASE.folder), "--device", "numpy"]
IDS = ["--ids", json.dumps(CASE.ids[0])]


def test_logits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["logits", *MODEL, *IDS, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report) == ["logits"]
    assert relative(np.array(report["logits"]), CASE.logits[0]) < 2e-4
    assert main(["logits", *MODEL, *IDS]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [str(token) for token in CASE.ids[0]]
    assert lines[-1].split()[2] == str(CASE.greedy[0])


def test_hidden_states(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["logits", *MODEL, *IDS, "--hidden", "--json"]) == 0
    hidden = np.array(json.loads(capsys.readouterr().out)["hidden"])
    assert relative(hidden @ CASE.weights()["lm_head.weight"].T, CASE.logits[0]) < 2e-4
    assert main(["logits", *MODEL, *IDS, "--hidden"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(CASE.ids[0])


def test_generate(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["generate", *MODEL, *IDS, "--greedy", "--max-tokens", "24"]
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["ids"], report["text"], report["prompt_tokens"]) == (CASE.greedy, "", len(CASE.ids[0]))
    assert main(command) == 0
    assert [int(token) for token in capsys.readouterr().out.split()] == CASE.greedy


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["logits", *MODEL, "--ids", "[1, 2.5]"], "--ids[1]: expected a token id, got 2.5"),
        (["logits", *MODEL, "--ids", '{"a": 1}'], "--ids: expected a JSON array of token ids"),
        (["logits", *MODEL, "--ids", "[1, 160]"], "token id 160 is outside the model's vocabulary of 160"),
        (["generate", *MODEL, *IDS, "--chat"], "--chat: cannot be combined with --ids"),
        (["generate", *MODEL, "--prompt", "x"], "tokenizer.json is missing"),
    ],
)
def test_refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    assert message in capsys.readouterr().err
