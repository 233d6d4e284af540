"""The package in a Vite project, and pages that say why they cannot work."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests import webdriver
from tests.browser.conftest import Open
from tools import paths


# Source: found by a newcomer; the same is done with Vite 8.4 itself in development, build and preview.
def test_the_plugin_for_vite_serves_and_emits_the_files_as_they_are(site: Path) -> None:
    script = paths.REPOSITORY / "tests" / "package" / "vite_plugin.mjs"
    done = subprocess.run(["node", script, site / "vite.mjs"], capture_output=True, text=True, check=True, timeout=60)
    result = json.loads(done.stdout)
    assert result["config"] == {"optimizeDeps": {"exclude": ["loom-browser"]}}
    assert result["answers"]["script"]["Content-Type"] == "text/javascript"
    assert result["answers"]["script"]["X-Own"] == "1"
    assert result["answers"]["outside"] == result["answers"]["missing"] == "next"
    names = set(result["emitted"])
    assert {
        "assets/worker.js",
        "assets/engine/boot.js",
        "assets/pyodide/runtime.json",
        "assets/simd/loom.wasm",
    } <= names
    assert not [name for name in names if name.startswith("other/") or "models" in name or name.endswith(".html")]


# Source: found by a newcomer.
@pytest.mark.parametrize("language", ["C", "en_US.UTF-8", "", "posix-!"])
def test_a_language_that_is_none(open_page: Open, plain_url: str, language: str) -> None:
    page = open_page(plain_url + "index.html")
    page.add_init_script(f"Object.defineProperty(navigator, 'language', {{ value: '{language}', configurable: true }})")
    page.goto(plain_url + "grid_scatter_demo.html")
    expect(page.locator("#status")).to_contain_text("is ready", timeout=90_000)


# Source: found by a newcomer. Chromium under Playwright parses `noscript` as if scripts ran, so it is Firefox here.
@pytest.mark.skipif(not webdriver.has_firefox(), reason="needs firefox-esr")
def test_without_javascript_the_page_says_so(plain_url: str) -> None:
    with webdriver.firefox({"javascript.enabled": False}) as tab:
        for name in ("inference.html", "grid_scatter_demo.html", "index.html"):
            tab.goto(plain_url + name)
            text = tab.evaluate("return document.body.innerText")
            assert "JavaScript, which is off" in text
            assert "Starting Python" not in text


# Source: found by a newcomer: a module that fails leaves "Starting Python…" for ever.
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status": 404}, "could not be loaded"),
        ({"body": "<!doctype html>", "content_type": "text/html"}, "could not be loaded"),
        ({"body": "throw new Error('too old')", "content_type": "text/javascript"}, "too old"),
    ],
)
def test_scripts_that_fail_are_said(chromium: Browser, plain_url: str, answer: dict[str, Any], words: str) -> None:
    page = chromium.new_page()
    page.route("**/demos/grid_scatter.js", lambda route: route.fulfill(**answer))
    page.goto(plain_url + "grid_scatter_demo.html")
    expect(page.locator("#error")).to_contain_text(words)
    expect(page.locator("#status")).to_have_text("This page did not start.")
    page.close()


# Source: found by a newcomer.
@pytest.mark.parametrize("path", ["nothing.html", "deep/er/nothing", "pyodide/"])
def test_a_page_that_is_not_there(plain_url: str, path: str) -> None:
    request = urllib.request.Request(plain_url + path, headers={"Accept": "text/html"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 404
    assert "There is no page here" in caught.value.read().decode()
