"""What every command has in common: help, errors, and what happens to its output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from loom_py.cli import COMMANDS, main
from tests.conftest import ROOT

from .conftest import NETWORK, Run, write


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert "--json" in capsys.readouterr().out


def test_it_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "loom_py", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("loom_py ")


def test_system_errors_are_json_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("loom_py.cli.inspect.describe", full)
    status, out, err = run("inspect", "some/file", "--json")
    assert status == 1
    expected = {"type": "OSError", "message": "No space left on device", "where": "some/file", "remedy": ""}
    assert json.loads(out)["error"] == expected
    assert "some/file: No space left on device" in err


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    """`inspect … | head -1`, with more output than a pipe holds."""
    many = {"layers": [{"type": "sequential", "branches": [NETWORK["layers"][0]] * 3}] * 30_000}
    command = [sys.executable, "-m", "loom_py", "inspect", str(write(tmp_path / "c.json", many)), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (141, b"")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1", "cp437", "utf-8"])
def test_any_encoding_of_the_output(tmp_path: Path, encoding: str) -> None:
    """Redirected output on Windows has a code page without arrows."""
    network = {"layers": [{"type": "dense", "input_size": 1, "output_size": 1}], "id": "Größe → 漢"}
    config = {"network": network, "batches": [{"Input": [1], "Target": [1]}], "training": {"Epochs": 1}}
    (tmp_path / "train.json").write_text(json.dumps(config), encoding="utf-8")
    command = [sys.executable, "-m", "loom_py", "train", str(tmp_path / "train.json")]
    env = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT)}
    for arguments in ([], ["--output", str(tmp_path / "→.json")], ["--json", "--output", "no/→.json"]):
        done = subprocess.run([*command, *arguments], capture_output=True, env=env, cwd=tmp_path, check=False)
        assert b"UnicodeEncodeError" not in done.stderr
        if arguments and arguments[0] == "--json":
            assert json.loads(done.stdout.decode(encoding))["error"]["where"].endswith("→.json")
        else:
            assert done.returncode == 0
            assert b"loss " in done.stdout
