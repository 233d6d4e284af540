"""Ctrl-C while a command works."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from loom_py import load_model_from_string
from loom_py.cli.interrupt import Interrupt
from loom_py.progress import Bar

from .conftest import JOB, Run, write


@pytest.fixture
def sigint_handled() -> Iterator[None]:
    """Handle SIGINT as in the foreground; a shell starts background jobs with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("sigint_handled")
def test_ctrl_c_keeps_what_was_trained(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "c.json", JOB | {"training": {"Epochs": 10**8, "LearningRate": 0.001}})
    saved = tmp_path / "out.json"

    def press(bar: Bar, done: float, note: str = "") -> None:
        if done == 5:
            signal.raise_signal(signal.SIGINT)
        assert done < 100, "Ctrl-C had no effect"

    with monkeypatch.context() as patch:
        patch.setattr(Bar, "to", press)
        status, out, err = run("train", path, "--output", saved, "--json", "--seed", 1)
    report = json.loads(out)
    assert status == 130
    assert f"interrupted after update 5, in epoch 5 of 100000000; written to {saved}" in err
    assert report["output"] == str(saved)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    again = load_model_from_string(saved.read_text(), "model")
    assert again.training_state.epoch == report["epoch"] == 5
    run("train", path, "--epochs", 5, "--output", tmp_path / "whole.json", "--seed", 1)
    assert (tmp_path / "whole.json").read_text() == saved.read_text()


@pytest.mark.usefixtures("sigint_handled")
def test_a_second_ctrl_c_does_not_wait() -> None:
    with Interrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert interrupt.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("sigint_handled")
def test_an_ignored_ctrl_c_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert not interrupt.asked
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
