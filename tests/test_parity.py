"""Networks saved by the original: our outputs against the original's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loom_py
from loom_py.nn import KINDS

from .report import row

ROOT = Path(__file__).resolve().parent
ROWS: dict[str, Any] = json.loads((ROOT / "data" / "loom_forward.json").read_text())
TABLE = "outputs of the original: largest difference"


def different_on_purpose() -> set[str]:
    """Rows that the compatibility table names in its last column."""
    text = (ROOT.parent / "docs" / "compatibility.md").read_text(encoding="utf-8")
    cells = [line.rstrip("| ").rsplit("|", 1)[-1] for line in text.splitlines() if line.count("|") == 6]
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} & set(ROWS)


def kinds(layers: list[dict[str, Any]]) -> set[str]:
    return {k for layer in layers for k in {layer["type"], *kinds(layer.get("branches", []))}}


def supported(name: str) -> bool:
    return kinds(json.loads(ROWS[name]["bundle"])["models"][0]["cfg"]["layers"]) <= set(KINDS)


@pytest.mark.parametrize("name", [n for n in ROWS if supported(n) and n not in different_on_purpose()])
def test_output(name: str) -> None:
    case = ROWS[name]
    output, _ = loom_py.load_model_from_string(case["bundle"], name).forward_cpu(case["input"])
    difference = float(np.abs(np.asarray(output) - np.asarray(case["output"])).max())
    row(TABLE, f"{name:<24}{difference:.1e}")
    assert difference < 1e-5


@pytest.mark.parametrize("name", sorted(different_on_purpose()))
def test_a_listed_difference_is_one(name: str) -> None:
    case = ROWS[name]
    try:
        output, _ = loom_py.load_model_from_string(case["bundle"], name).forward_cpu(case["input"])
    except loom_py.LoomError:
        return
    expected = np.asarray(case["output"])
    assert np.shape(output) != expected.shape or np.abs(np.asarray(output) - expected).max() > 1e-3
