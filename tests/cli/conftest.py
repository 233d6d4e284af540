"""The command line, as a user types it: a fixture that runs it, and a small job to run."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loom_py.cli import main
from tests.conftest import ROOT
from tests.formats.conftest import tiny  # noqa: F401 (a fixture)

EXAMPLES = ROOT / "examples"
Run = Any
NETWORK = {"layers": [{"type": "dense", "input_size": 1, "output_size": 1}]}
JOB: dict[str, Any] = {"network": NETWORK, "batches": [{"Input": [1], "Target": [1]}], "training": {"Epochs": 2}}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command → (exit status, standard output, standard error)."""

    def call(*arguments: object, stdin: str | bytes = "") -> tuple[int, str, str]:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
        status = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path
