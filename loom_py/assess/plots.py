"""Plot the record with matplotlib."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from ..errors import InputError, install_remedy

KINDS = ("svg", "png", "pdf")


def plot(record: dict[str, Any], directory: str, kind: str = "svg") -> list[Path]:
    """Write one file per experiment: bars of mean accuracy with deviations and claims, and curves by window if any."""
    if kind not in KINDS:
        raise InputError(f"unknown image format {kind!r}", where="kind", remedy=f"Known: {', '.join(KINDS)}.")
    figures = require()
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for experiment in record["experiments"]:
        models = list(dict.fromkeys(row["model"] for row in experiment["rows"]))
        curves = experiment["task"] == "chase"
        figure = figures.Figure(figsize=(13, 2.6 * len(models)), layout="constrained")
        axes = figure.subplots(len(models), 2 if curves else 1, squeeze=False)
        figure.suptitle(f"{experiment['number']}. {experiment['title']}")
        for line, model in zip(axes, models, strict=True):
            rows = [row for row in experiment["rows"] if row["model"] == model]
            _bars(line[0], model, rows)
            if curves:
                _curves(line[1], rows)
        path = folder / f"experiment-{experiment['number']}.{kind}"
        figure.savefig(path)
        written.append(path)
    return written


def require() -> Any:
    """`matplotlib.figure`, which needs no display."""
    try:
        return importlib.import_module("matplotlib.figure")
    except ImportError as error:
        remedy = install_remedy("matplotlib", "Load it with micropip.install('matplotlib'), or leave the plot out.")
        raise InputError("matplotlib is not installed", where="plot", remedy=remedy) from error


def _bars(axes: Any, model: str, rows: list[dict[str, Any]]) -> None:
    names = [row["method"] for row in rows]
    means = [row["accuracy"]["mean"] for row in rows]
    colours = [{"original": "C0", "variant": "C2", "baseline": "C7"}[row["origin"]] for row in rows]
    axes.bar(names, means, yerr=[row["accuracy"]["deviation"] for row in rows], color=colours, capsize=3)
    claims = [(row["method"], row["claim"]["mean"]) for row in rows if row["claim"]]
    if claims:
        axes.plot(*zip(*claims, strict=True), "r_", markersize=18, label="claimed")
        axes.legend(loc="upper right")
    axes.set(title=model, ylabel="accuracy, %", ylim=(0, 100))
    axes.tick_params(axis="x", rotation=60)


def _curves(axes: Any, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        axes.plot(range(1, len(row["windows"]) + 1), row["windows"], label=row["method"])
    axes.set(xlabel="window", ylabel="accuracy, %", ylim=(0, 102))
    axes.legend(fontsize="x-small", ncols=2, loc="upper right")
