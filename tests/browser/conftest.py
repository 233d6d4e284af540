"""A browser, the assembled site served both ways, and pages checked for errors and foreign requests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tools import paths, serve

from .storage_tab import hub, open_tab, profile  # noqa: F401 (fixtures)

ARTEFACTS = Path(__file__).resolve().parent.parent / "artefacts"
README_PICTURE = "inference"
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)
GPU_FLAGS = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
"""WebGPU on the CPU, by Chromium's own SwiftShader."""
NO_GPU = "No available adapters."
"""Chromium's console message where it has no GPU."""
Open = Callable[..., Page]
PATIENCE_MS = 60_000
"""How long a page has for what a test waits for: a slow machine that is busy takes ten times as long as an idle one."""
expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def site() -> Path:
    """The assembled site."""
    if not (paths.SITE / "loom.js").is_file():
        pytest.fail("the site in dist/ is missing; run ./build_pyodide.sh build first.")
    return paths.SITE


@pytest.fixture(scope="session")
def isolated_url(site: Path) -> Iterator[str]:
    """The site with the headers that allow shared memory."""
    with serve.start(site, isolated=True) as server:
        yield server.url


@pytest.fixture(scope="session")
def plain_url(site: Path) -> Iterator[str]:
    """The site as any static host serves it."""
    with serve.start(site, isolated=False) as server:
        yield server.url


@pytest.fixture(scope="session", params=["isolated", "plain"])
def any_url(request: pytest.FixtureRequest, isolated_url: str, plain_url: str) -> str:
    """Both ways of serving the site: with threads and without."""
    return isolated_url if request.param == "isolated" else plain_url


running: list[Browser] = []


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """LOOM_CHROMIUM, else the system's Chromium, else Playwright's own.

    Each folder that imports this fixture has one of its own, and Playwright can be started once: the first is shared.
    """
    if running:
        yield running[0]
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=list(FLAGS))
        running.append(browser)
        yield browser
        running.clear()
        browser.close()


def program() -> str | None:
    """The Chromium to run; None for Playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("LOOM_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


class Watch:
    """Errors and requests of a page that it should not have."""

    def __init__(self, context: BrowserContext, origin: str, allowed_errors: list[str]) -> None:
        self.origin = urlsplit(origin).netloc
        self.allowed = [NO_GPU, *allowed_errors]
        self.problems: list[str] = []
        context.on("console", lambda message: self._console(message.type, message.text))
        context.on("weberror", lambda error: self.problems.append(f"uncaught: {error.error}"))
        context.on("request", lambda request: self._request(request.url))

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not any(part in text for part in self.allowed):
            self.problems.append(f"console {kind}: {text}")

    def _request(self, url: str) -> None:
        parts = urlsplit(url)
        foreign = parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self.origin
        if foreign and not any(part in url for part in self.allowed):
            self.problems.append(f"request to {url}")


def _opener(browser: Browser, contexts: list[BrowserContext], watches: list[Watch]) -> Open:
    def open_page(url: str, *, allowed: list[str] | None = None, python: bool = True, **options: Any) -> Page:
        """A page in a fresh context; `allowed` names texts of errors and addresses that belong to the test.

        With `python=False` the files of Python never arrive: for what a page shows and does before it is there.
        """
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        if not python:
            context.route("**/pyodide/**", lambda _: None)
        watches.append(Watch(context, url, allowed or []))
        page = context.new_page()
        page.goto(url)
        return page

    return open_page


def _finish(contexts: list[BrowserContext], watches: list[Watch]) -> None:
    for context in contexts:
        context.close()
    problems = [problem for watch in watches for problem in watch.problems]
    assert not problems, "\n".join(problems)


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Open]:
    """Opens watched pages; the test fails if one of them logged an error or sent a request to a foreign origin."""
    contexts: list[BrowserContext] = []
    watches: list[Watch] = []
    yield _opener(chromium, contexts, watches)
    _finish(contexts, watches)


@pytest.fixture(scope="module")
def open_module_page(chromium: Browser) -> Iterator[Open]:
    """As `open_page`, for pages that several tests share."""
    contexts: list[BrowserContext] = []
    watches: list[Watch] = []
    yield _opener(chromium, contexts, watches)
    _finish(contexts, watches)


@pytest.fixture(scope="session")
def screenshot() -> Callable[[Page, str], Path]:
    """Saves a picture of the page in tests/artefacts; LOOM_UPDATE_SCREENSHOT=1 updates the README's."""

    def take(page: Page, name: str) -> Path:
        ARTEFACTS.mkdir(exist_ok=True)
        path = ARTEFACTS / f"{name}.png"
        page.screenshot(path=path, full_page=True)
        if name == README_PICTURE and os.environ.get("LOOM_UPDATE_SCREENSHOT") == "1":
            shutil.copyfile(path, paths.REPOSITORY / "docs" / "screenshot.png")
        return path

    return take
