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
    """One line of JSON a run, with everything the run depends on: a run asked for with other lengths is another run.

    An incomplete last line is cut off; any other that is no run is a `FormatError` with its number.
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
                raise FormatError("is no run of an assessment", where=where, remedy=REMEDY)
            self._records[_name(value["job"])] = value["record"]
        if data and not whole:
            raise FormatError("is no run of an assessment", where=f"{self.path}: line 1", remedy=REMEDY)
        if whole < len(data):
            os.truncate(self.path, whole)

    def get(self, job: Job) -> dict[str, Any] | None:
        """The record of this very run, if it is there."""
        return self._records.get(_name(asdict(job)))

    def add(self, job: Job, record: dict[str, Any]) -> None:
        """Append it, at once."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"job": asdict(job), "record": record}, allow_nan=False) + "\n")


def _name(job: object) -> str:
    return json.dumps(job, sort_keys=True)
