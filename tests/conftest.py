"""Shared fixtures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from loom_py.runtime.choice import devices

from .report import TABLES
from .sharing import Shared

ROOT = Path(__file__).resolve().parent.parent

# The suite draws the same examples each time, so that its verdict is about the code; the soak draws new ones. None has
# a deadline: how long an example takes is about the machine.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.register_profile("campaign", derandomize=False, deadline=None)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--share", metavar="FOLDER", type=Path, help="run only files that no other run has claimed there")


def pytest_configure(config: pytest.Config) -> None:
    folder: Path | None = config.getoption("share")
    if folder is not None:
        config.pluginmanager.register(Shared(folder))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The tables that tests filled."""
    for title, lines in TABLES.items():
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def unchanged_device() -> Iterator[None]:
    """A test that chooses a device chooses it for itself alone."""
    before = devices.preference, devices.chosen
    yield
    devices.preference, devices.chosen = before


@pytest.fixture(scope="session")
def grid_scatter() -> dict[str, Any]:
    """The grid-scatter demonstration: network, batches, training options and evaluation data."""
    return json.loads((ROOT / "examples" / "grid_scatter.json").read_text())
