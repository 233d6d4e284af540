"""Tables that tests fill and the end of the run prints."""

from __future__ import annotations

TABLES: dict[str, list[str]] = {}


def row(table: str, line: str) -> None:
    """Add a line to a table."""
    TABLES.setdefault(table, []).append(line)
