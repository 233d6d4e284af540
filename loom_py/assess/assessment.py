"""Run all experiments, aggregate the results, and build the record that is saved."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .claims import claim
from .experiments import Experiment, Options, chosen, jobs
from .methods import METHODS
from .parallel import results
from .runs import Job
from .statistics import Summary
from .store import Store

FORMAT, VERSION = "loom-assessment", 1
Progress = Callable[[int, int, str], Any]
"""Runs done, total runs, name of the latest run."""


def assess(
    options: Options,
    *,
    processes: int = 1,
    backend: str = "",
    address: str = "",
    keep: str | Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run the experiments and return the record as JSON values.

    With `clock="ticks"`, `experiments` depends on `options` alone, not on the number of processes; `machine` says
    where and how long it ran, and how many runs came from a file.

    With `keep`, each finished run is appended to that file, and runs already in it are skipped.

    Raises `InputError` for unknown names, and when joblib is needed but not installed.
    """
    experiments = chosen(options)
    todo: dict[tuple[str, ...], Job] = {job.key: job for e in experiments for job in jobs(e, options)}
    store = Store(keep) if keep is not None else None
    start, records = time.perf_counter(), {}
    if store is not None:
        records = {key: record for key, job in todo.items() if (record := store.get(job)) is not None}
    kept = len(records)
    listed = [job for key, job in todo.items() if key not in records]
    for i, record in results(listed, processes, backend, address) if listed else ():
        records[listed[i].key] = record
        if store is not None:
            store.add(listed[i], record)
        if progress is not None:
            progress(len(records), len(todo), f"{listed[i].model} {listed[i].method}")
    seconds = time.perf_counter() - start
    return {
        "format": FORMAT,
        "version": VERSION,
        "options": options.to_json(),
        "reproducible": options.clock == "ticks",
        "experiments": [_summed(e, options, records) for e in experiments],
        "machine": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "platform": platform.platform(),
            "processes": processes,
            "backend": backend,
            "seconds": round(seconds, 1),
            "kept": kept,
        },
    }


def _summed(e: Experiment, options: Options, records: dict[tuple[str, ...], dict[str, Any]]) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for job in jobs(e, options):
        grouped.setdefault((job.model, job.method), []).append(records[job.key])
    for (model, method), runs in grouped.items():
        rows.append(_row(e, model, method, runs))
    sample = jobs(e, options)[0]
    return {
        "number": e.number,
        "title": e.title,
        "task": e.task,
        "seconds": sample.seconds,
        "ticks_per_second": sample.rate if sample.clock == "ticks" else None,
        "clock": sample.clock,
        "seeds": list(range(options.seed, options.seed + options.runs)),
        "rows": rows,
    } | ({"by_epochs": True, "note": e.note} if e.by_epochs else {})


def _row(e: Experiment, model: str, method: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    claimed = claim(e.number, model, method)
    row: dict[str, Any] = {
        "model": model,
        "method": method,
        "origin": METHODS[method].origin,
        "claim": None if claimed is None else {"mean": claimed[0], "deviation": claimed[1]},
        "runs": [round(r["accuracy"], 3) for r in runs],
        "accuracy": _summary(runs, "accuracy"),
        "updates": _summary(runs, "updates"),
        "diverged": sum(r["diverged"] for r in runs),
    }
    if not e.chase:
        reached = [r["reached"] for r in runs if r["reached"] is not None]
        late = {"runs": len(reached), "seconds": round(sum(reached) / len(reached), 4) if reached else None}
        row |= {"held_out": _summary(runs, "held_out"), "reached": late | {"target": e.target}}
        if e.by_epochs:
            fresh = [round(r["held_out"], 3) for r in runs]
            row |= {"fresh": fresh, "layers": [r["layers"] for r in runs]}
        return row
    changes = [
        {
            "before": _mean([r["changes"][i]["before"] for r in runs if len(r["changes"]) > i]),
            "after": _mean([r["changes"][i]["after"] for r in runs if len(r["changes"]) > i]),
            "recovery": [r["changes"][i]["recovery"] for r in runs if len(r["changes"]) > i],
        }
        for i in range(max(len(r["changes"]) for r in runs))
    ]
    windows = [_mean([r["windows"][i] for r in runs]) for i in range(len(runs[0]["windows"]))]
    phases = {name: _summary(runs, name) for name in ("chase", "avoid", "outputs")}
    return row | phases | {"windows": windows, "changes": changes}


def _summary(runs: list[dict[str, Any]], name: str) -> dict[str, float]:
    s = Summary.of([float(r[name]) for r in runs])
    values = {"mean": s.mean, "deviation": s.deviation, "smallest": s.smallest, "largest": s.largest}
    return {key: round(value, 3) for key, value in values.items()}


def _mean(values: list[float]) -> float:
    return round(sum(values) / len(values), 2) if values else 0.0


def check(record: object) -> dict[str, Any]:
    """Check that a loaded value is a record of this version; `InputError` if not."""
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise InputError("not an assessment record", where="record", remedy="Give a file written with --output.")
    if record.get("version") != VERSION:
        raise InputError(f"version {record.get('version')!r} is not {VERSION}", where="record")
    return record
