"""`profile`: where the time goes, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ..formats.tiny_gguf import TinyGGUF
from .conftest import NETWORK, Run, write


@pytest.mark.parametrize(
    ("device", "kernel"), [("numpy", "silu_mul"), ("simd", "norm_gate_up"), ("auto", "norm_gate_up")]
)
def test_a_model(run: Run, tiny: TinyGGUF, device: str, kernel: str) -> None:
    status, out, _ = run("profile", "--model", tiny.path, "--device", device, "--threads", 1, "--repeats", 1)
    assert status == 0
    title, head, *rows = out.splitlines()
    assert "decoder, 1 tokens" in title
    assert head.split() == ["kernel", "shapes", "calls", "ms", "share", "GB/s", "GFLOP/s"]
    assert kernel in [row.split()[0] for row in rows]
    chunk = ("--tokens", 8, "--context", 2, "--json")
    status, out, _ = run("profile", "--model", tiny.path, "--device", device, "--repeats", 1, *chunk)
    assert status == 0
    assert "decoder, 8 tokens" in json.loads(out)["program"]


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_network(run: Run, tmp_path: Path, wrapped: bool) -> None:
    path = write(tmp_path / "n.json", {"network": NETWORK, "batches": []} if wrapped else NETWORK)
    arguments = ("profile", "--network", path, "--repeats", 1, "--rows", 3, "--json")
    status, out, _ = run(*arguments, "--step", "training", "--device", "simd", "--threads", 1)
    assert status == 0
    profile = json.loads(out)
    assert profile["program"] == "training step"
    assert profile["device"].startswith("simd")
    assert "sgd_step" in [row["kernel"] for row in profile["rows"]]
    assert json.loads(run(*arguments, "--device", "numpy")[1])["rows"][0]["bytes"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--network", "none.json"], "none.json: cannot be opened"),
        (["--network", "n.json", "--rows", "0"], "rows: "),
        (["--network", "n.json", "--repeats", "0"], "repeats: "),
    ],
)
def test_wrong_arguments(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "n.json", NETWORK)
    status, _, error = run("profile", *arguments)
    assert status == 1
    assert message in error


def test_one_of_both_is_needed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("profile")
    assert "one of the arguments --model --network is required" in capsys.readouterr().err
