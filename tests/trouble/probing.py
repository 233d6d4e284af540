"""Scripts in a page of the site whose server answers as a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from . import faulty_site
from .faulty_site import FaultySite

Probe = Callable[..., Any]


@pytest.fixture(scope="module")
def faulty(site: Path) -> Iterator[FaultySite]:
    with faulty_site.serving(site) as running:
        yield running


@pytest.fixture
def probe(faulty: FaultySite, chromium: Browser) -> Iterator[Probe]:
    """Runs a script in a page of the site, in Chromium."""

    def run(script: str, *, seconds: float = 180, **page: Any) -> Any:
        context = chromium.new_context()
        try:
            tab = context.new_page()
            tab.goto(faulty.page(script, **page))
            tab.wait_for_selector("[data-result]", state="attached", timeout=seconds * 1000)
            return tab.evaluate("JSON.parse(document.documentElement.dataset.result)")
        finally:
            context.close()

    yield run
    faulty.faults.clear()
    faulty.headers.clear()
    faulty.requests.clear()
