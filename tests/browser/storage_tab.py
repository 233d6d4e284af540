"""A tab that runs the download and storage modules in a worker, and helpers that its tests share."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from .fake_hub import Hub

SIZE = 3_000_000
WORKER = (Path(__file__).parent / "storage_worker.js").read_text()
SHELVES = {"opfs": [], "cache": ["opfs"], "memory": ["opfs", "caches"]}


def content(seed: int, size: int = SIZE) -> bytes:
    """Bytes that do not compress."""
    return random.Random(seed).randbytes(size)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub({"m.gguf": content(1)})
    yield server
    server.stop()


@pytest.fixture
def profile(chromium: Browser) -> Iterator[BrowserContext]:
    """One browser profile; its pages are tabs."""
    context = chromium.new_context(bypass_csp=True)
    yield context
    context.close()


class Tab:
    """A page with the download modules in a worker."""

    def __init__(self, context: BrowserContext, url: str, hide: list[str]) -> None:
        self.page: Page = context.new_page()
        self.page.goto(url + "demos/icon.svg")
        code = WORKER.replace("ORIGIN", url.rstrip("/")).replace("HIDE", str(hide))
        self.page.evaluate(
            """(code) => {
                const blob = new Blob([code], { type: "text/javascript" });
                const worker = new Worker(URL.createObjectURL(blob), { type: "module" });
                const waiting = new Map();
                worker.onmessage = ({ data }) => waiting.get(data.id)(data.value);
                worker.onerror = ({ message }) => waiting.forEach((f) => f({ error: { name: "worker", message } }));
                let counter = 0;
                window.run = (command, params) => new Promise((resolve) => {
                    waiting.set(++counter, resolve);
                    worker.postMessage({ id: counter, command, params });
                });
            }""",
            code,
        )

    def run(self, command: str, **params: Any) -> Any:
        return self.page.evaluate("([command, params]) => run(command, params)", [command, params])

    def start(self, command: str, **params: Any) -> Callable[[], Any]:
        """Start, and return a function that waits for the end."""
        self.page.evaluate("([command, params]) => { window.result = run(command, params); }", [command, params])
        return lambda: self.page.evaluate("window.result")

    def load(self, source: dict[str, Any], **params: Any) -> dict[str, Any]:
        return self.run("load", source=source, **params)


@pytest.fixture
def open_tab(profile: BrowserContext, plain_url: str) -> Callable[..., Tab]:
    return lambda hide=(): Tab(profile, plain_url, list(hide))


def remote(hub: Hub, name: str = "m.gguf", **more: Any) -> dict[str, Any]:
    return {"remote": [{"name": name, "url": f"{hub.url}/{name}", **more}], "name": name}


def check_whole(result: dict[str, Any], data: bytes, name: str = "m.gguf") -> None:
    assert "error" not in result, result["error"]
    assert [(f["name"], f["size"], f["sha256"]) for f in result["files"]] == [(name, len(data), digest(data))]


def check_progress(events: list[dict[str, Any]], size: int) -> None:
    """Check that progress is monotone and ends exactly at the total."""
    steps = [(e["loaded"], e.get("total")) for e in events if e["status"] == "download"]
    assert steps == sorted(steps, key=lambda s: s[0])
    assert steps[-1] == (size, size)
    assert all(total is None or loaded <= total for loaded, total in steps)


def statuses(result: dict[str, Any]) -> set[str]:
    return {event["status"] for event in result["events"]}


def set_quota(tab: Tab, quota: int | None) -> None:
    session = tab.page.context.new_cdp_session(tab.page)
    origin = tab.page.evaluate("location.origin")
    session.send("Storage.overrideQuotaForOrigin", {"origin": origin} | ({"quotaSize": quota} if quota else {}))
    tab.quota_session = session  # type: ignore[attr-defined]  # the override ends with it
