"""The example of the tools working together."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"


def test_ensemble_of_architectures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    figures = importlib.import_module("ensemble_of_architectures").main()
    assert figures["best_single"] > 0.85
    assert figures["pair_coverage"] > figures["best_single"]
    assert figures["grafted_pair"] > figures["mean_of_the_pair"] + 0.03
