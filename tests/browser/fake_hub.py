"""A hub on this machine that misbehaves on request: slow, broken off, changed, refusing, without ranges, with gzip."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import json
import re
import sys
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from tools.serve import byte_range

COMMIT = "0123456789abcdef0123456789abcdef01234567"
EXPOSED = "ETag, Content-Range, X-Error-Code, Retry-After"


@dataclass
class Hub:
    """`files`: path → bytes. `log` holds every request as (method, path, Range)."""

    files: dict[str, bytes] = field(default_factory=dict)
    wrong_hash: bool = False
    ranges: bool = True
    cors: bool = True
    exposed: str = EXPOSED
    coding: bool = False
    """Answer in gzip, whatever was requested."""
    etag: str = ""
    """For all files, instead of each file's own."""
    cuts: list[int] = field(default_factory=list)
    """Bytes of the body after which each of the next answers breaks off."""
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Answers to the next requests for files, in place of the files."""
    pages: int = 0
    """How many of the next answers for files are a web page, as of a network that wants a sign-in."""
    page_type: str = "text/html"
    named: bool = True
    """Answers have an ETag."""
    stall_after: int = -1
    """After how many bytes of its body the next answer sends no more; 0: not even its headers."""
    bytes_per_second: int = 0
    log: list[tuple[str, str, str]] = field(default_factory=list)
    sent: int = 0

    def __post_init__(self) -> None:
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self._http = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def downloads(self) -> list[tuple[str, str]]:
        """(name, Range) of the GET requests for files."""
        return [(path.rsplit("/", 1)[-1], span) for method, path, span in self.log if method == "GET"]

    def repository(self, repository: str) -> bytes:
        """The hub's description of a repository, with the hashes of what is in Git LFS."""
        siblings = []
        for path, data in self.files.items():
            sha256 = "0" * 64 if self.wrong_hash else hashlib.sha256(data).hexdigest()
            lfs = {"lfs": {"sha256": sha256, "size": len(data)}} if path.endswith((".gguf", ".safetensors")) else {}
            blob = "0" * 40 if self.wrong_hash else hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            siblings.append({"rfilename": path, "size": len(data), "blobId": blob, **lfs})
        return json.dumps({"id": repository, "sha": COMMIT, "siblings": siblings}).encode()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        span = self.headers.get("Range", "")
        hub.log.append((self.command, path, span))
        match = re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/.+", path)
        if match:
            return self._send(200, {"Content-Type": "application/json"}, hub.repository(match[1]), body)
        if body and hub.refusals:
            status, headers = hub.refusals.pop(0)
            return self._send(status, headers, b"no", body)
        data = hub.files.get(path.split("/resolve/" + COMMIT + "/", 1)[-1].lstrip("/"))
        if data is None:
            return self._send(404, {}, b"no", body)
        if body and hub.pages:
            hub.pages -= 1
            return self._send(200, {"Content-Type": hub.page_type}, b"<!doctype html><title>Sign in</title>", body)
        headers = {"ETag": hub.etag or f'"{hashlib.sha256(data).hexdigest()[:16]}"'} if hub.named else {}
        if hub.coding:
            return self._send(200, headers | {"Content-Encoding": "gzip"}, gzip.compress(data, 1), body)
        if not (span and hub.ranges):
            return self._send(200, headers, data, body)
        try:
            first, last = byte_range(span, len(data)) or (0, len(data) - 1)
        except ValueError:
            return self._send(416, headers | {"Content-Range": f"bytes */{len(data)}"}, b"", body)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        return self._send(206, headers, data[first : last + 1], body)

    def _send(self, status: int, headers: dict[str, str], data: bytes, body: bool) -> None:
        hub = self.hub
        stalls = body and hub.stall_after >= 0 and len(data) > 1
        if stalls and hub.stall_after == 0:
            return self._stall()
        self.send_response(status)
        if hub.cors:
            headers = headers | {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": hub.exposed}
        for name, value in (headers | {"Content-Length": str(len(data))}).items():
            self.send_header(name, value)
        self.end_headers()
        if not body:
            return
        if stalls:
            self.wfile.write(data[: hub.stall_after])
            return self._stall()
        cut = hub.cuts.pop(0) if status < 300 and len(data) > 1 and hub.cuts else len(data)
        step = max(1, hub.bytes_per_second // 20) if hub.bytes_per_second else 1 << 16
        try:
            for at in range(0, min(cut, len(data)), step):
                part = data[at : min(at + step, cut)]
                self.wfile.write(part)
                hub.sent += len(part)
                if hub.bytes_per_second:
                    time.sleep(0.05)
            if cut < len(data):
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(2)
        except OSError:
            self.close_connection = True

    def _stall(self) -> None:
        self.hub.stall_after = -1
        self.wfile.flush()
        self.close_connection = True
        time.sleep(6)

    def log_message(self, format: str, *args: object) -> None:
        pass
