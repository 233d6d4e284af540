"""Render the record as Markdown tables, which also read well in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .claims import show
from .statistics import Summary, paired
from .verdicts import verdicts

Row = dict[str, Any]


def text(record: dict[str, Any]) -> str:
    """All tables of a record."""
    parts = [_heading(record)]
    for experiment in record["experiments"]:
        parts.append(f"## {experiment['number']}. {experiment['title']}\n\n{_length(experiment)}")
        if experiment.get("note"):
            parts.append(experiment["note"])
        parts += [f"**{title}**\n\n{body}" for title, body in tables(experiment)]
    return "\n\n".join(parts)


def tables(experiment: dict[str, Any]) -> list[tuple[str, str]]:
    """The titled tables of an experiment's report."""
    number = experiment["number"]
    if number == 18:
        return [("Before → after each change, windows until 50 % again", _changes(experiment))]
    claims = "Accuracy, %, of the original's methods: mean ± deviation over the runs [what it claims]"
    sections = [(claims, _accuracy(experiment, ("original",)))]
    sections.append(("Accuracy, %, of variants and baselines", _accuracy(experiment, ("variant", "baseline"))))
    if experiment["task"] == "chase":
        sections.append(("While chasing alone, %", _grid(experiment, lambda row: _pm(row["chase"], row))))
        sections.append(("Accuracy by window, %, means", _windows(experiment)))
    else:
        sections.append(("On fresh samples, %", _grid(experiment, lambda row: _pm(row["held_out"], row))))
        unit = "Epochs" if experiment.get("by_epochs") else "Seconds"
        sections.append((f"{unit} until {_target(experiment):g} % (runs that got there)", _grid(experiment, _reached)))
    if "PrunedTween" in _methods(experiment):
        sections.append(("Layers left, smallest to largest", _grid(experiment, _layers, only=("PrunedTween",))))
    if experiment.get("by_epochs"):
        sections.append(("Who wins on fresh samples, by more than 5 points [the original]", _verdicts(experiment)))
    for base in ("TickBP", "SampleBP", "Tween"):
        if base in _methods(experiment) and (base != "Tween" or "Waves" in _methods(experiment)):
            sections.append((f"Difference to {base}, run by run, points", _differences(experiment, base)))
    return [(title, table) for title, table in sections if table]


def _heading(record: dict[str, Any]) -> str:
    o, m = record["options"], record["machine"]
    kind = "by ticks (reproducible)" if record["reproducible"] else "by the machine's clock (not reproducible)"
    last = o["seed"] + o["runs"] - 1
    kept = f", besides {m['kept']} runs kept from before" if m["kept"] else ""
    return (
        f"# Assessment\n\nRuns: {o['runs']}, seeds {o['seed']} to {last}, {kind}. Took {m['seconds']:g} s{kept}, "
        f"processes: {m['processes'] or 'all'}, Python {m['python']}, NumPy {m['numpy']}."
    )


def _length(e: dict[str, Any]) -> str:
    rate = e["ticks_per_second"]
    if e.get("by_epochs"):
        ticks = round(e["seconds"] * rate)
        return f"{e['seconds']:g} epochs a run of {rate} samples: {ticks} ticks, a sample each."
    how = f"{e['seconds'] * rate:g} ticks ({rate} a second)" if rate else "seconds of the machine's clock"
    return f"{e['seconds']:g} s a run: {how}."


def _accuracy(e: dict[str, Any], origins: Sequence[str]) -> str:
    """Mean of each method of the given origins by network; the best of all methods in bold, claims in brackets."""
    best = {m: max(row["accuracy"]["mean"] for row in e["rows"] if row["model"] == m) for m in _models(e)}

    def cell(row: Row) -> str:
        own = _pm(row["accuracy"], row)
        if row["accuracy"]["mean"] == best[row["model"]]:
            own = f"**{own}**"
        claimed = show((row["claim"]["mean"], row["claim"]["deviation"]) if row["claim"] else None)
        lost = f" ({row['diverged']} diverged)" if row["diverged"] else ""
        return own + (f" [{claimed}]" if claimed else "") + lost

    return _grid(e | {"rows": [row for row in e["rows"] if row["origin"] in origins]}, cell)


def _changes(e: dict[str, Any]) -> str:
    def cell(row: Row) -> str:
        shown = []
        for change in row["changes"]:
            never = sum(r < 0 for r in change["recovery"])
            recovered = [r for r in change["recovery"] if r >= 0]
            late = f"{sum(recovered) / len(recovered):.1f}" if recovered else "never"
            share = f", {never} never" if never and recovered else ""
            shown.append(f"{change['before']:.0f}→{change['after']:.0f} ({late}{share})")
        return "; ".join(shown)

    return _grid(e, cell)


def _windows(e: dict[str, Any]) -> str:
    count = len(e["rows"][0]["windows"])
    header = ["network", "method", *(str(i + 1) for i in range(count))]
    lines = [[row["model"], row["method"], *(f"{w:.0f}" for w in row["windows"])] for row in e["rows"]]
    return _table(header, lines)


def _reached(row: Row) -> str:
    r = row["reached"]
    return f"{r['seconds']:.2f} ({r['runs']})" if r["runs"] else "never"


def _target(e: dict[str, Any]) -> float:
    return e["rows"][0]["reached"]["target"]


def _differences(e: dict[str, Any], to: str) -> str:
    base = {row["model"]: row["runs"] for row in e["rows"] if row["method"] == to}
    return _grid(e, lambda row: str(paired(row["runs"], base[row["model"]])), without=to)


def _layers(row: Row) -> str:
    low, high = min(row["layers"]), max(row["layers"])
    return f"{low}" if low == high else f"{low}–{high}"


def _verdicts(e: dict[str, Any]) -> str:
    header = ["network", "tweening's best", "backpropagation's best", "difference, points", "winner"]
    lines = [
        [
            v.model,
            v.tweening,
            v.backpropagation,
            str(v.difference),
            v.winner + (f" [{v.claimed}]" if v.claimed else ""),
        ]
        for v in verdicts(e)
    ]
    return _table(header, lines) if lines else ""


def wins(experiment: dict[str, Any], among: Sequence[str] = ()) -> dict[str, int]:
    """How often each method has the highest mean on a network, optionally among the named methods only."""
    counts: dict[str, int] = {}
    for model in _models(experiment):
        rows = [r for r in experiment["rows"] if r["model"] == model and (not among or r["method"] in among)]
        best = max(rows, key=lambda r: r["accuracy"]["mean"])["method"]
        counts[best] = counts.get(best, 0) + 1
    return counts


def _pm(summary: dict[str, float], row: Row) -> str:
    return str(Summary(len(row["runs"]), summary["mean"], summary["deviation"], 0, 0))


def _models(e: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(row["model"] for row in e["rows"]))


def _methods(e: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(row["method"] for row in e["rows"]))


def _grid(e: dict[str, Any], cell: Any, without: str = "", only: Sequence[str] = ()) -> str:
    """A table with networks as rows and methods as columns; empty without methods."""
    rows = {(row["model"], row["method"]): row for row in e["rows"]}
    methods = [m for m in _methods(e) if m != without and (not only or m in only)]
    lines = [[model, *(cell(rows[model, method]) for method in methods)] for model in _models(e)]
    if not methods:
        return ""
    return _table(["network", *methods], lines)


def _table(header: list[str], lines: list[list[str]]) -> str:
    widths = [max(len(line[i]) for line in [header, *lines]) for i in range(len(header))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(value.ljust(width) for value, width in zip(line, widths, strict=True)) + " |"
        for line in [header, rule, *lines]
    )
