"""Runs saved to a file as they end, so that a long assessment can be interrupted and resumed."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import FormatError
from ..schema.strict import parse_json
from .runs import Job

REMEDY = "Give a file that --keep has written, or a new one."


class Store:
    """One JSON line per run, keyed by everything the run depends on, so that other lengths make another run.

    An incomplete last line is truncated; any other invalid line is a `FormatError` with its number.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._records: dict[str, dict[str, Any]] = {}
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            where = f"{self.path}: line {number}"
            value = parse_json(line, where=where)
            if not isinstance(value, dict) or set(value) != {"job", "record"} or not isinstance(value["record"], dict):
                raise FormatError("not a run of an assessment", where=where, remedy=REMEDY)
            self._records[_name(value["job"])] = value["record"]
        if data and not whole:
            raise FormatError("not a run of an assessment", where=f"{self.path}: line 1", remedy=REMEDY)
        if whole < len(data):
            os.truncate(self.path, whole)

    def get(self, job: Job) -> dict[str, Any] | None:
        """The record of exactly this run, or None."""
        return self._records.get(_name(asdict(job)))

    def add(self, job: Job, record: dict[str, Any]) -> None:
        """Append a record and flush it."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"job": asdict(job), "record": record}, allow_nan=False) + "\n")


def _name(job: object) -> str:
    return json.dumps(job, sort_keys=True)
