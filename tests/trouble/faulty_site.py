"""The assembled site on a server that can be told to misbehave, and pages that run a script of the test there."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tools.serve import MEDIA_TYPES

LOGIN = b"<!doctype html><title>Sign in</title><p>Please sign in."


@dataclass
class Answer:
    """What the server says instead of the file."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    """The connection is closed after half of the body."""
    stall: bool = False
    """Nothing more comes after half of the body."""


Fault = Callable[[bytes], Answer]
"""From a file's bytes to what is sent instead."""


def missing(_: bytes) -> Answer:
    return Answer(404, b"Not found", {"Content-Type": "text/plain"})


def login(_: bytes) -> Answer:
    return Answer(200, LOGIN, {"Content-Type": "text/html"})


def redirected(_: bytes) -> Answer:
    return Answer(302, b"", {"Location": "/login.html"})


def cut(body: bytes) -> Answer:
    return Answer(200, body, cut=True)


def stalled(body: bytes) -> Answer:
    return Answer(200, body, stall=True)


def longer(body: bytes) -> Answer:
    return Answer(200, body + b"\0" * 16)


def flipped(body: bytes) -> Answer:
    return Answer(200, body[:-1] + bytes([body[-1] ^ 1]))


@dataclass
class FaultySite:
    """`faults` and `pages` may change while it runs; `requests` lists the paths that were asked for."""

    url: str
    faults: dict[str, Fault] = field(default_factory=dict)
    """By the end of the path. A fault under ``"path#1"`` strikes once."""
    pages: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def page(self, script: str, *, policy: str = "", headers: dict[str, str] | None = None) -> str:
        """The address of a page whose module ``script`` gives an object; it is left in `data-result`."""
        meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">' if policy else ""
        html = f'<!doctype html><meta charset="utf-8">{meta}<script type="module" src="probe.js"></script>'
        code = f"""
const leave = (value) => (document.documentElement.dataset.result = JSON.stringify(value));
const failed = ({{ name, message, text, where, remedy }}) => ({{ name, message, text, where, remedy }});
const probe = async () => {{ {script} }};
probe().then(leave, (error) => leave(failed(error)));
"""
        self.pages["/probe.html"] = (html.encode(), {"Content-Type": "text/html"} | (headers or {}))
        self.pages["/probe.js"] = (
            code.encode(),
            {"Content-Type": "text/javascript", "Access-Control-Allow-Origin": "*"},
        )
        return f"{self.url}probe.html"

    def fault(self, path: str) -> Fault | None:
        for end in list(self.faults):
            name, _, once = end.partition("#")
            if path.endswith(name):
                return self.faults.pop(end) if once else self.faults[end]
        return None


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[FaultySite]:
    """The site, until the block ends."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            site.requests.append(path)
            page = site.pages.get(path)
            file = folder / path.lstrip("/")
            fault = site.fault(path)
            if page:
                answer = Answer(200, page[0], page[1])
            elif fault:
                answer = fault(file.read_bytes() if file.is_file() else b"")
            elif file.is_file():
                answer = Answer(200, file.read_bytes())
            else:
                answer = missing(b"")
            with contextlib.suppress(OSError):
                self._send(answer, MEDIA_TYPES.get(file.suffix, "application/octet-stream"))

        def _send(self, answer: Answer, kind: str) -> None:
            self.send_response(answer.status)
            named = {"Content-Type": kind, "Cache-Control": "no-cache"} | site.headers | answer.headers
            for name, value in named.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            half = len(answer.body) // 2
            whole = not answer.cut and not answer.stall
            self.wfile.write(answer.body if whole else answer.body[:half])
            if answer.stall:
                self.wfile.flush()
                site.over.wait()
            self.close_connection = not whole

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site = FaultySite(f"http://localhost:{server.server_address[1]}/")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
