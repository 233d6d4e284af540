"""The documented figures are the measured ones."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from loom_py.assess import CLAIMS, EXPERIMENTS, METHODS, check, paired
from loom_py.assess.report import tables, wins

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("assessment.md", "assessment_by_epochs.md")
TEXT = "\n".join((ROOT / "docs" / page).read_text(encoding="utf-8") for page in PAGES)
FILES = {
    "assessment_epochs": (1, 2, 3, 4, 5, 8, 9, 10),
    "assessment_layers": (6, 7, 11, 12),
    "assessment": (17, 18, 19),
    "assessment_long": (19,),
    "assessment_training": (14, 16),
}


def experiments(name: str) -> dict[int, dict[str, Any]]:
    record = check(json.loads((ROOT / "bench" / "results" / f"{name}.json").read_text(encoding="utf-8")))
    assert record["reproducible"]
    return {e["number"]: e for e in record["experiments"]}


ALL = {n: e for name in FILES if name != "assessment_long" for n, e in experiments(name).items()}


def test_results_are_whole() -> None:
    for number in (17, 18, 19):
        e, rows = EXPERIMENTS[number], ALL[number]["rows"]
        assert {(r["model"], r["method"]) for r in rows} == {(m, method) for m in e.models for method in e.methods}
        assert ALL[number]["seeds"] == list(range(10))
        assert all(len(r["runs"]) == 10 for r in rows)


@pytest.mark.parametrize(("name", "number"), [(name, number) for name, numbers in FILES.items() for number in numbers])
def test_tables_are_those_of_the_results(name: str, number: int) -> None:
    assert f"bench/results/{name}.json" in TEXT
    claimed = number in CLAIMS or not EXPERIMENTS[number].by_epochs
    titles = ("On fresh", "Who wins", "Layers left", *(["Accuracy, %, of"] if claimed else []))
    for title, table in tables(experiments(name)[number]):
        if title.startswith(titles):
            assert table in TEXT, title


def test_no_test_is_left_out() -> None:
    assert {n for numbers in FILES.values() for n in numbers} >= {n for n in EXPERIMENTS if EXPERIMENTS[n].by_epochs}
    for n, e in ALL.items():
        if EXPERIMENTS[n].by_epochs:
            pairs = {(m, method) for m in EXPERIMENTS[n].models for method in EXPERIMENTS[n].methods}
            assert {(r["model"], r["method"]) for r in e["rows"]} == pairs
            assert e["note"] == EXPERIMENTS[n].note
            assert (e["seconds"], e["ticks_per_second"]) == (EXPERIMENTS[n].seconds, EXPERIMENTS[n].rate)


def test_every_method_is_explained() -> None:
    for name in METHODS:
        assert f"`{name}`" in TEXT


def mean(number: int, method: str, field: str = "accuracy") -> float:
    """Over all networks, or on the one after an @."""
    method, _, model = method.partition("@")
    rows = [r for r in ALL[number]["rows"] if r["method"] == method and model in ("", r["model"])]
    return sum(r[field]["mean"] for r in rows) / len(rows)


def difference(number: int, a: str, b: str) -> float:
    """Mean over networks and seeds of a − b."""
    runs = {(r["model"], r["method"]): r["runs"] for r in ALL[number]["rows"]}
    models = [m for m, method in runs if method == a]
    return sum(paired(runs[m, a], runs[m, b]).mean for m in models) / len(models)


def test_figures_of_the_text() -> None:
    """Recompute every marked figure, such as `59.7<!-- mean 19 StepTweenChain -->`."""
    figures = {name: float(value.replace("−", "-")) for value, name in re.findall(r"([−\d.]+)<!-- (.+?) -->", TEXT)}
    assert len(figures) >= 10
    for name, value in figures.items():
        kind, number, *rest = name.split()
        if kind == "mean":
            measured = mean(int(number), *rest)
        elif kind == "difference":
            measured = difference(int(number), *rest)
        else:
            measured = wins(ALL[int(number)], rest[1:]).get(rest[0], 0)
        assert value == pytest.approx(measured, abs=0.0501), name
