"""Runs of pytest that share their test files: `--share FOLDER`, an empty folder that all of them name.

A file is run by the first that claims it, whole and in its usual place; the others leave it out. So runs that begin at
different times end at about the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


class Shared:
    """Goes through the items of the files that this run can claim."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        if session.testsfailed or session.config.option.collectonly:
            return None  # pytest's own loop knows what to do
        items = self._items(session)
        item = next(items, None)
        while item is not None:
            following = next(items, None)  # a fixture that both need stays
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
            item = following
        return True

    def _items(self, session: pytest.Session) -> Iterator[pytest.Item]:
        claims: dict[Path, bool] = {}
        for item in session.items:
            if item.path not in claims:
                claims[item.path] = self._claim(item.path.relative_to(session.config.rootpath))
            if claims[item.path]:
                yield item

    def _claim(self, path: Path) -> bool:
        try:
            (self._folder / "-".join(path.parts)).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True
