"""The command line on every device: rows of the trouble table whose models and answers are in front_cases.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run, run  # noqa: F401 (a fixture)

from .front_cases import CASES, MOST

DEVICES = ("numpy", "simd", "webgpu")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("fronts")
    return {name: case.write(folder / str(i)) for i, (name, case) in enumerate(CASES.items())}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if isinstance(case.prompt, str)])
def test_the_command_line(run: Run, paths: dict[str, Path], name: str, device: str) -> None:  # noqa: F811
    case = CASES[name]
    options = ["--chat"] * case.chat + ["--stop", case.stop] * bool(case.stop)
    given = ("--model", paths[name], "--prompt", case.prompt, "--max-tokens", MOST, "--greedy", "--device", device)
    status, out, error = run("generate", *given, *options, "--json")
    report = json.loads(out)
    if case.gives is None:
        assert status == 1
        assert case.says in report["error"]["message"]
        assert case.says in error
        return
    assert status == 0, error
    assert (report["text"], report["finish_reason"], report["prompt_tokens"]) == case.gives
    assert report["device"] == device
    notices = [line for line in error.splitlines() if line.startswith("note: ")]
    assert [case.notice in notice for notice in notices] == [True] * bool(case.notice)
