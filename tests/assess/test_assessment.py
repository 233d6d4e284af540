"""The assessment as a whole: options, processes, the record, its tables, and the command line."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
from pathlib import Path
from typing import Any

import pytest

from loom_py.assess import CLAIMS, EXPERIMENTS, METHODS, Options, Summary, assess, paired, text
from loom_py.assess.__main__ import dump, main
from loom_py.assess.claims import claim
from loom_py.assess.experiments import chosen, jobs
from loom_py.assess.report import tables, wins
from loom_py.errors import FormatError, InputError

ROOT = Path(__file__).resolve().parents[2]
SMALL = Options(only=(13, 17, 18, 19), models=("Dense", "Dense-6L", "Dense-3L"), runs=2, scale=0.01)
DEEP = ("Dense-6L", "Dense-3L")
MODELS = {13: ("Dense",), 17: ("Dense-6L",), 18: DEEP, 19: DEEP}
"""The models that each experiment can build."""
QUICK = ["--only", "19", "--models", "Dense-3L", "--methods", "TickBP,Random", "--runs", "2", "--scale", "0.03"]


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    return assess(SMALL)


def test_summary_by_hand() -> None:
    s = Summary.of([2, 4, 4, 4, 5, 5, 7, 9])
    assert (s.count, s.mean, s.smallest, s.largest) == (8, 5, 2, 9)
    assert s.deviation == pytest.approx(math.sqrt(32 / 7))
    assert str(s) == "5.0 ± 2.1"
    assert (str(Summary.of([3])), Summary.of([3]).deviation) == ("3.0", 0)
    assert math.isnan(Summary.of([]).mean)
    difference = paired([10, 20, 60], [5, 25, 40])
    assert (difference.mean, difference.deviation) == pytest.approx((20 / 3, math.sqrt(475 / 3)))


def test_every_row_is_there(record: dict[str, Any]) -> None:
    assert [e["number"] for e in record["experiments"]] == [13, 17, 18, 19]
    for e in record["experiments"]:
        expected = {(m, method) for m in MODELS[e["number"]] for method in EXPERIMENTS[e["number"]].methods}
        assert {(r["model"], r["method"]) for r in e["rows"]} == expected
        assert len(e["rows"]) == len(expected)
        assert e["seeds"] == [0, 1]
        for r in e["rows"]:
            assert len(r["runs"]) == 2
            s = Summary.of(r["runs"])
            assert (r["accuracy"]["mean"], r["accuracy"]["deviation"]) == pytest.approx((s.mean, s.deviation), abs=2e-3)


def test_full_set_of_experiments() -> None:
    experiments = chosen(Options(runs=10))
    assert [e.number for e in experiments] == list(range(1, 20))
    deep = {f"{family}-{depth}L" for family in ("Dense", "Conv2D", "RNN", "LSTM", "Attn") for depth in (3, 5, 9)}
    for number in (16, 18, 19):
        assert set(EXPERIMENTS[number].models) == deep
    assert len(jobs(EXPERIMENTS[19], Options(runs=10))) == 15 * 10 * 10
    for e in experiments:
        if e.by_epochs:
            assert {"SampleBP", "Commonest", "Random"} <= set(e.methods)
            assert e.number == 2 or "TweenChain" in e.methods
        else:
            assert {"TickBP", "Random", "Constant", "StepBP", "StepTweenChain"} <= set(e.methods)
    assert [e.number for e in experiments if e.by_epochs] == list(range(1, 13))
    assert {METHODS[m].origin for m in EXPERIMENTS[19].methods} == {"original", "variant", "baseline"}


def test_claims() -> None:
    assert set(CLAIMS[19]) == set(EXPERIMENTS[19].models)
    assert all(set(c) == {"NormalBP", "StepBP", "StepTweenChain"} for c in CLAIMS[19].values())
    assert claim(19, "Dense-3L", "StepTweenChain") == (64.0, 0.8)
    assert claim(17, "Dense-6L", "NormalBP") == (pytest.approx(634 / 15), None)
    assert claim(19, "Dense-3L", "TickBP") is None
    for number, models in CLAIMS.items():
        for model, methods in models.items():
            assert model in EXPERIMENTS[number].models
            assert set(methods) <= set(EXPERIMENTS[number].methods)


def test_tables_hold_every_row_and_claim(record: dict[str, Any]) -> None:
    shown = text(record)
    for e in record["experiments"]:
        assert f"## {e['number']}. {e['title']}" in shown
        for _, table in tables(e):
            lines = table.splitlines()
            assert len({len(line) for line in lines}) == 1
            names = {row["model"] for row in e["rows"]}
            assert {line.split("|")[1].strip() for line in lines[2:]} == names
    original, others = [table for title, table in tables(record["experiments"][3]) if title.startswith("Accuracy, %")]
    lines = [line for table in (original, others) for line in table.splitlines() if "Dense-3L" in line]
    assert "[64.0 ± 0.8]" in lines[0]
    assert "[" not in lines[1]
    assert "".join(lines).count("**") >= 2  # the best one is bold
    methods = {m for table in (original, others) for m in METHODS if f"| {m} " in table.splitlines()[0]}
    assert methods == set(EXPERIMENTS[19].methods)


def test_processes_do_not_change_the_result(record: dict[str, Any]) -> None:
    pytest.importorskip("joblib")
    for backend in ("threading", "loky"):
        other = assess(SMALL, processes=2, backend=backend)
        assert other["experiments"] == record["experiments"]
    importlib.import_module("joblib.externals.loky").get_reusable_executor().shutdown(wait=True)


def test_progress_counts_shared_runs_once() -> None:
    seen: list[tuple[int, int]] = []
    options = Options(only=(18, 19), models=("Dense-3L",), methods=("Random", "Constant"), runs=3, scale=0.01)
    assess(options, progress=lambda done, total, name: seen.append((done, total)))
    assert seen == [(i, 6) for i in range(1, 7)]


def test_the_record_is_plain_json_and_reads_back(record: dict[str, Any]) -> None:
    assert json.loads(dump(record)) == record
    assert set(record) == {"format", "version", "options", "reproducible", "experiments", "machine"}
    assert (record["format"], record["version"], record["reproducible"]) == ("loom-assessment", 1, True)
    common = {"model", "method", "origin", "claim", "runs", "accuracy", "updates", "diverged"}
    chase = common | {"chase", "avoid", "outputs", "windows", "changes"}
    for e in record["experiments"]:
        fields = {"number", "title", "task", "seconds", "ticks_per_second", "clock", "seeds", "rows"}
        assert set(e) == fields
        for row in e["rows"]:
            assert set(row) == (chase if e["task"] == "chase" else common | {"held_out", "reached"})
            assert 0 <= row["accuracy"]["mean"] <= 100


def test_runs_are_kept_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = Options(only=(19,), models=("Dense-3L",), methods=("TickBP", "Random"), runs=2, scale=0.02)
    whole = assess(options)["experiments"]
    file = tmp_path / "runs.jsonl"

    def broken_off(done: int, total: int, name: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        assess(options, keep=file, progress=broken_off)
    lines = file.read_text().splitlines()
    assert len(lines) == 3
    file.write_text("\n".join(lines) + '\n{"job": {"task"')  # interrupted while writing
    ran: list[tuple[int, int]] = []
    assert assess(options, keep=file, progress=lambda a, b, _: ran.append((a, b)))["experiments"] == whole
    assert ran == [(4, 4)]
    assert len(file.read_text().splitlines()) == 4
    again: list[int] = []
    record = assess(options, keep=file, progress=lambda a, b, _: again.append(a))
    assert record["experiments"] == whole
    assert record["machine"]["kept"] == 4
    assert "besides 4 runs" in text(record)
    assert again == []
    longer = dataclasses.replace(options, scale=0.03)  # other runs
    assess(longer, keep=file, progress=lambda a, b, _: again.append(a))
    assert again == [1, 2, 3, 4]


@pytest.mark.parametrize("text", ["{}\n", '{"job": {}, "record": 1}\n', "no json\n", "half"])
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "runs.jsonl"
    file.write_text(text)
    with pytest.raises(FormatError, match="line 1"):
        assess(SMALL, keep=file)
    assert file.read_text() == text


def test_wins() -> None:
    def row(model: str, method: str, mean: float) -> dict[str, Any]:
        return {"model": model, "method": method, "accuracy": {"mean": mean}}

    experiment = {"rows": [row("a", "x", 1), row("a", "y", 3), row("b", "x", 5), row("b", "y", 2), row("a", "z", 9)]}
    assert wins(experiment, ("x", "y")) == {"y": 1, "x": 1}
    assert wins(experiment) == {"z": 1, "x": 1}


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"only": (20,)}, "only"),
        ({"methods": ("Magic",)}, "methods"),
        ({"runs": 0}, "runs"),
        ({"seed": -1}, "seed"),
        ({"scale": 0.0}, "scale"),
        ({"scale": float("nan")}, "scale"),
        ({"clock": "moon"}, "clock"),
        ({"rate": -5}, "rate"),
    ],
)
def test_bad_options(fields: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError) as caught:
        Options(**fields)
    assert caught.value.where == where


def test_bad_choices() -> None:
    with pytest.raises(InputError, match="Dense-3L"):
        chosen(Options(models=("Dence",)))
    with pytest.raises(InputError, match="leaves nothing to run"):
        chosen(Options(only=(13,), methods=("TickTween",)))
    assert [e.models for e in chosen(Options(only=(16,), models=("Dense-15L",)))] == [("Dense-15L",)]
    with pytest.raises(InputError, match="below 0"):
        assess(SMALL, processes=-1)


def test_without_joblib(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(InputError, match=r"joblib is not installed.*pip install joblib.*--processes 1"):
        assess(SMALL, processes=2)
    with pytest.raises(InputError, match=r"matplotlib is not installed.*pip install matplotlib"):
        main_error(["--plot", "nowhere", *QUICK])


def main_error(arguments: list[str]) -> None:
    """The error that `main` prints, raised."""
    from loom_py.assess.__main__ import _run, build_parser

    _run(build_parser().parse_args(arguments))


def test_backends_are_named_and_addressed() -> None:
    pytest.importorskip("joblib")
    with pytest.raises(InputError, match="no backend 'moon'"):
        assess(SMALL, processes=2, backend="moon")
    with pytest.raises(InputError, match="only Dask and Ray"):
        assess(SMALL, backend="threading", address="tcp://localhost:1")


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "record.json"
    assert main([*QUICK, "--output", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "| Dense-3L" in shown
    assert main(["--input", str(file)]) == 0
    assert capsys.readouterr().out == shown
    assert main([*QUICK, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["experiments"] == json.loads(file.read_text(encoding="utf-8"))["experiments"]
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert all(str(n) in listed for n in EXPERIMENTS)
    assert all(name in listed for name in METHODS)
    assert not list(tmp_path.glob("*.part"))


def test_command_line_explains_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"format": "other"}')
    for arguments, message in (
        (["--only", "20"], "Known: 1, 2"),
        (["--only", "x"], "--only 17,19"),
        (["--input", str(wrong)], "written with --output"),
        (["--input", str(tmp_path / "none.json")], "none.json"),
        ([*QUICK, "--output", str(tmp_path / "no" / "file.json")], "Create it first"),
    ):
        assert main(arguments) == 1
        assert message in capsys.readouterr().err
    assert main(["--only", "20", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["where"] == "only"


def test_the_machines_clock_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "--clock", "wall"]) == 0
    shown = capsys.readouterr().out
    assert "not reproducible" in shown
    assert "seconds of the machine's clock" in shown


def test_pictures(tmp_path: Path, record: dict[str, Any]) -> None:
    pytest.importorskip("matplotlib")
    from loom_py.assess import plot

    written = plot(record, str(tmp_path / "pictures"))
    assert [path.name for path in written] == [f"experiment-{n}.svg" for n in (13, 17, 18, 19)]
    assert all("<svg" in path.read_text(encoding="utf-8") for path in written)
    (png, *_) = plot(record, str(tmp_path), "png")
    assert png.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="svg"):
        plot(record, str(tmp_path), "gif")
