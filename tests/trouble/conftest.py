"""A browser and the assembled site for the files whose names end in `_page.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import (  # noqa: F401 (fixtures)
    any_url,
    chromium,
    hub,
    isolated_url,
    open_module_page,
    open_page,
    open_tab,
    plain_url,
    profile,
    site,
)

from .probing import faulty, probe  # noqa: F401 (fixtures)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those files need a browser."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.stem.endswith("_page"):
            item.add_marker("browser")
