"""Shared fixtures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .report import TABLES

ROOT = Path(__file__).resolve().parent.parent


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The tables that tests filled."""
    for title, lines in TABLES.items():
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def grid_scatter() -> dict[str, Any]:
    """The grid-scatter demonstration: network, batches, training options and evaluation data."""
    return json.loads((ROOT / "examples" / "grid_scatter.json").read_text())
