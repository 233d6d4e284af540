"""The campaign of all fuzzers, for a moment: what it tries, what it reports, and how a fault is had again."""

from __future__ import annotations

import pytest

from . import soak


def test_parts_take_turns_and_nothing_goes_wrong() -> None:
    reports = soak.run(["programs", "tokenizers", "texts", "training"], 0, seed=5, first=0, turn=1)
    assert all(report.outcomes.total() >= 1 for report in reports.values())
    assert not [report.faults for report in reports.values() if report.faults]


def test_a_fault_is_reported_with_what_brings_it_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(soak.PARTS, "tokenizers", lambda seed, first: iter([(first, "KeyError: 7")]))
    assert soak.main(["--minutes", "0", "--only", "tokenizers", "--first", "12"]) == 1
    printed = capsys.readouterr().out
    seed = printed.split("seed ", 1)[1].split(",")[0]
    assert f"--seed {seed} --only tokenizers --first 12 --minutes 0: KeyError: 7" in printed
