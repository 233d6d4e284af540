"""Common to every command: help, errors, and output."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from loom_py.cli import COMMANDS, main
from loom_py.output import print_json
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


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "utf-16", "ascii", "cp1252"])
@pytest.mark.parametrize("text", ["\ud83d", "a\udcffb", "\udfff\ud800", "é😀", "Größe"])
def test_json_escapes_lone_surrogates(monkeypatch: pytest.MonkeyPatch, encoding: str, text: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr("sys.stdout", stream)
    print_json({text: [text]})
    stream.flush()
    line = stream.buffer.getvalue().decode(encoding)
    assert json.loads(line) == {text: [text]}
    if text == "\ud83d":
        assert line.startswith('{"\\ud83d": ["\\ud83d"]}')


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes only there")
def test_a_file_name_that_is_not_utf8_is_whole_in_json(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff.json"
    command = [sys.executable, "-m", "loom_py", "inspect", name, "--json"]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONUTF8": "1"}, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert os.fsencode(json.loads(done.stdout)["error"]["where"]) == name
