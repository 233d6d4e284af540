"""The stepping example reaches its figures, in fewer ticks than it runs by default."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from ..report import row


def test_step_training_classifies_all_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "examples"))
    sys.modules.pop("step_training", None)
    figures = importlib.import_module("step_training").main(ticks=25_000, seeds=2)
    for key, value in figures.items():
        row("figures of the examples", f"{'step_training':<26}{key.replace('_', ' ')}: {value}")
    assert figures["correct_of_6"] == [6, 6]
    assert max(figures["mean_loss_of_the_last_1000_ticks"]) < 0.2
