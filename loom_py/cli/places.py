"""Errors of the library, reworded to name the places in the user's file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import LoomError


@contextmanager
def within(file: str, prefix: str = "", root: str = "config") -> Iterator[None]:
    """Errors raised inside name `file` and the JSON path there: `prefix` stands for what the library calls `root`."""
    try:
        yield
    except LoomError as error:
        path = error.where
        if path == root or path.startswith((f"{root}.", f"{root}[")):
            path = path.removeprefix(root).removeprefix(".")
        path = f"{prefix}{'' if path.startswith('[') else '.'}{path}" if prefix and path else prefix or path
        raise type(error)(error.message, where=f"{file}: {path}" if path else file, remedy=error.remedy) from error
