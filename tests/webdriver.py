"""Firefox and WebKitGTK for tests: what they need of the W3C WebDriver protocol, with the standard library alone.

A test serves a page whose script leaves its result in `document.documentElement.dataset.result`, as JSON. That needs
nothing of a browser but opening a page and reading an attribute, and works under any content security policy:

    with webdriver.firefox() as tab:
        assert tab.result(server.url + "probe.html") == {"ok": True}

Firefox is driven by Marionette, the protocol behind geckodriver; WebKit by WebKitWebDriver, on a display of GTK's own
(`broadwayd`), which needs no X server.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

RESULT = "return document.documentElement.dataset.result ?? null"
FIREFOX_PREFERENCES = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}
MINIBROWSER = "webkit2gtk-4.1/MiniBrowser"
PATHS = {"Navigate": "/url", "ExecuteScript": "/execute/sync"}
"""Where the commands are in the protocol over HTTP."""

Send = Callable[[str, dict[str, Any]], Any]
"""A command by the name that Marionette gives it, such as ``Navigate``, with its parameters."""


class Tab:
    """One page of a browser."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def goto(self, url: str) -> None:
        self._send("Navigate", {"url": url})

    def evaluate(self, script: str, *arguments: object) -> Any:
        """What the body of a function returns; it sees the document, and of the page's own objects only in WebKit."""
        return self._send("ExecuteScript", {"script": script, "args": list(arguments)})

    def result(self, url: str, seconds: float = 120) -> Any:
        """The JSON that a page leaves in its root's `data-result`."""
        self.goto(url)
        end = time.monotonic() + seconds
        while (text := self.evaluate(RESULT)) is None:
            if time.monotonic() > end:
                raise TimeoutError(f"{url} left no result within {seconds} s: {self.evaluate(TEXT)}")
            time.sleep(0.1)
        return json.loads(text)


TEXT = "return document.documentElement.innerText.slice(0, 2000)"


def has_firefox() -> bool:
    return shutil.which("firefox-esr") is not None


def has_webkit() -> bool:
    return all(shutil.which(name) for name in ("WebKitWebDriver", "broadwayd")) and _minibrowser() is not None


@contextlib.contextmanager
def firefox(preferences: dict[str, object] | None = None) -> Iterator[Tab]:
    """A fresh Firefox without a window."""
    port = _free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        settings = FIREFOX_PREFERENCES | {"marionette.port": port} | (preferences or {})
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in settings.items()]
        Path(profile, "user.js").write_text("\n".join(lines), encoding="utf-8")
        command = ["firefox-esr", "--marionette", "--headless", "--no-remote", "--profile", profile]
        with _running(command, {}), _connected(port) as connection:
            send = _Marionette(connection)
            send("NewSession", {"capabilities": {}})
            yield Tab(send)


@contextlib.contextmanager
def webkit() -> Iterator[Tab]:
    """A fresh WebKitGTK browser on a display of its own."""
    port, display = _free_port(), str(_free_port())
    screen = {"GDK_BACKEND": "broadway", "BROADWAY_DISPLAY": f":{display}", "WEBKIT_DISABLE_COMPOSITING_MODE": "1"}
    options = {"binary": str(_minibrowser()), "args": ["--automation"]}
    with (
        _running(["broadwayd", f"--port={display}", "--address=127.0.0.1", f":{display}"], {}),
        _running(["WebKitWebDriver", f"--port={port}"], screen),
    ):
        with _connected(port):
            pass
        http = _Http(f"http://127.0.0.1:{port}")
        http.start({"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}})
        try:
            yield Tab(http)
        finally:
            http.end()


class _Marionette:
    """Commands over Firefox's own socket: `<length>:[0, id, name, parameters]`."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rwb")
        self._count = 0
        self._read()  # the greeting

    def __call__(self, name: str, parameters: dict[str, Any]) -> Any:
        self._count += 1
        message = json.dumps([0, self._count, f"WebDriver:{name}", parameters]).encode()
        self._file.write(f"{len(message)}:".encode() + message)
        self._file.flush()
        _, _, error, result = self._read()
        if error:
            raise RuntimeError(f"{name}: {error['message']}")
        return result["value"] if isinstance(result, dict) and "value" in result else result

    def _read(self) -> Any:
        digits = b""
        while (byte := self._file.read(1)) != b":":
            if not byte:
                raise RuntimeError("Firefox has ended")
            digits += byte
        return json.loads(self._file.read(int(digits)))


class _Http:
    """Commands over HTTP, as the W3C's protocol has them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = ""

    def start(self, capabilities: dict[str, Any]) -> None:
        self._session = f"/session/{self._request('POST', '/session', capabilities)['sessionId']}"

    def end(self) -> None:
        with contextlib.suppress(RuntimeError, OSError):
            self._request("DELETE", self._session, None)

    def __call__(self, name: str, parameters: dict[str, Any]) -> Any:
        return self._request("POST", self._session + PATHS[name], parameters)

    def _request(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=180) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.read().decode(errors='replace')}") from error


def _minibrowser() -> Path | None:
    """WebKitGTK's own small browser; it lies in a folder of the machine's architecture."""
    return next(iter(sorted(Path("/usr/lib").glob(f"*/{MINIBROWSER}"))), None)


@contextlib.contextmanager
def _running(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **environment}
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _connected(port: int) -> Iterator[socket.socket]:
    """A connection to a server that may still be starting."""
    end = time.monotonic() + 60
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), 180)
            break
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
    with connection:
        yield connection


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
