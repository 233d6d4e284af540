"""A static web server for the site: cross-origin isolation, correct media types, ranges.

    python -m tools.serve [DIRECTORY] [--port N] [--no-isolation]

Cross-origin isolation (COOP and COEP headers) gives the page shared memory; ``--no-isolation`` leaves the headers out,
as a plain static host would. Ranges follow RFC 9110, section 14, one range a request.

It serves this machine only: requests for other host names are refused, so that no foreign page reaches it by DNS
rebinding, and connections are bounded in number and in how long they may be idle.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import http.server
import io
import os
import re
import sys
import threading
import urllib.parse
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from tools import console, paths

DEFAULT_PORT = 8000

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".whl": "application/zip",
    ".zip": "application/zip",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".py": "text/plain; charset=utf-8",
    ".wgsl": "text/plain; charset=utf-8",
    ".ts": "text/plain; charset=utf-8",
    ".gguf": "application/octet-stream",
    ".safetensors": "application/octet-stream",
}

INDEX_PAGES = ("index.html", "index.htm")
NOT_FOUND_PAGE = "404.html"
"""What many static hosts send too, where a page is missing."""
MAX_CONNECTIONS = 64
"""Open at once; a browser keeps six to a host. One more is answered with 503 and closed."""
IDLE_SECONDS = 60
"""Seconds that a connection may be idle, or a reader stall, before it is closed."""
_LOCAL_HOST = re.compile(r"(localhost|([a-z0-9-]+\.)+localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)

ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a single ``Range`` header for a file of ``size`` bytes.

    Returns None for a header that RFC 9110 says to ignore: another unit, several ranges, bad syntax. Raises
    `ValueError` when the range lies outside the file (status 416).
    """
    match = re.fullmatch(r"bytes=\s*(\d{0,19})-(\d{0,19})\s*", header)
    if not match or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if first == "":  # the last N bytes
        count = int(last)
        if count == 0 or size == 0:
            raise ValueError(header)
        return max(0, size - count), size - 1
    start, end = int(first), int(last) if last else size - 1
    if last and end < start:
        return None
    if start >= size:
        raise ValueError(header)
    return start, min(end, size - 1)


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "loom"
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | MEDIA_TYPES
    index_pages = INDEX_PAGES
    timeout = IDLE_SECONDS

    def __init__(self, *args: object, directory: str, isolated: bool, verbose: bool) -> None:
        self.isolated = isolated
        self.verbose = verbose
        self._remaining: int | None = None
        super().__init__(*args, directory=directory)  # type: ignore[arg-type]

    def parse_request(self) -> bool:
        """Like the base class, but refuse foreign hosts, and bodies, which would be read as the next request."""
        if not super().parse_request():
            return False
        hosts = self.headers.get_all("Host", [])
        if len(hosts) > 1 or (not hosts and self.request_version >= "HTTP/1.1"):
            self._refuse(HTTPStatus.BAD_REQUEST, "One Host header is needed")
        elif hosts and not _LOCAL_HOST.fullmatch(hosts[0].strip()):
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "This server answers localhost only")
        elif "Transfer-Encoding" in self.headers or self.headers.get("Content-Length", "0").strip() != "0":
            self._refuse(HTTPStatus.BAD_REQUEST, "Requests have no body here")
        else:
            return True
        return False

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        self.close_connection = True
        self.send_error(status, message)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """As the base class; a person who asks for a page that is not there gets the site's own."""
        page = Path(self.directory) / NOT_FOUND_PAGE
        wants_page = "text/html" in getattr(self, "headers", {}).get("Accept", "")
        if code != HTTPStatus.NOT_FOUND or not wants_page or not page.is_file():
            return super().send_error(code, message, explain)
        body = page.read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", MEDIA_TYPES[".html"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Resource-Policy", "same-origin" if self.isolated else "cross-origin")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-cache")
        if self.isolated:
            for name, value in ISOLATION.items():
                self.send_header(name, value)
        super().end_headers()

    def send_head(self) -> BinaryIO | io.BytesIO | None:
        """Send the headers; returns the open file, at its first byte to send, for `copyfile`."""
        self._remaining = None
        path = self._inside(self.path)
        if path is None:
            self.send_error(HTTPStatus.NOT_FOUND, "No such file")
            return None
        if path.is_dir():
            return super().send_head()  # redirects to a trailing slash, then finds index.html or lists
        header = self.headers.get("Range")
        if not header or self.headers.get("If-Range"):
            return super().send_head()
        try:
            file = path.open("rb")
        except OSError:
            self.send_error(HTTPStatus.NOT_FOUND, "No such file")
            return None
        return self._send_range(file, header)

    def _send_range(self, file: BinaryIO, header: str) -> BinaryIO | io.BytesIO | None:
        status = os.fstat(file.fileno())
        try:
            span = byte_range(header, status.st_size)
        except ValueError:
            file.close()
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{status.st_size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        if span is None:
            file.close()
            return super().send_head()
        first, last = span
        file.seek(first)
        self._remaining = last - first + 1
        self.send_response(HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Type", self.guess_type(file.name))
        self.send_header("Content-Range", f"bytes {first}-{last}/{status.st_size}")
        self.send_header("Content-Length", str(self._remaining))
        self.send_header("Last-Modified", self.date_time_string(int(status.st_mtime)))
        self.end_headers()
        return file

    def send_response(self, code: int, message: str | None = None) -> None:
        super().send_response(code, message)
        if code in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            self.send_header("Accept-Ranges", "bytes")

    def copyfile(self, source: BinaryIO, outputfile: BinaryIO) -> None:  # type: ignore[override]
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the browser stopped reading
            remaining = self._remaining
            while remaining is None or remaining > 0:
                chunk = source.read(1 << 18 if remaining is None else min(1 << 18, remaining))
                if not chunk:
                    return
                outputfile.write(chunk)
                remaining = None if remaining is None else remaining - len(chunk)
            return
        self.close_connection = True

    def _inside(self, url: str) -> Path | None:
        """The file or folder of a URL.

        None when it, or the index page that stands for a folder, lies outside the site, through ``..`` or through a
        link, is neither file nor folder (a pipe would block), or cannot exist (too long a name, a loop of links).
        """
        root = Path(self.directory).resolve()
        if "\0" in urllib.parse.unquote(url):
            return None
        try:
            path = Path(self.translate_path(url)).resolve()
            served = [path, *((path / page).resolve() for page in INDEX_PAGES if path.is_dir())]
            if not all(p.is_relative_to(root) and (p.is_file() or p.is_dir() or not p.exists()) for p in served):
                return None
        except (OSError, RuntimeError):
            return None
        return path

    def list_directory(self, path: str | os.PathLike[str]) -> None:
        self.send_error(HTTPStatus.NOT_FOUND, "No such file")

    def log_message(self, format: str, *args: object) -> None:
        if self.verbose:
            super().log_message(format, *args)


class Server:
    """A running server; use it as a context manager or call `stop`."""

    def __init__(self, directory: Path, port: int, *, isolated: bool, verbose: bool = False) -> None:
        handler = partial(Handler, directory=str(directory), isolated=isolated, verbose=verbose)
        self._http = _Listener(("127.0.0.1", port), handler)
        self.port = self._http.server_address[1]
        self.url = f"http://localhost:{self.port}/" if port else f"http://127.0.0.1:{self.port}/"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="loom-serve", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        self._thread.join()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = MAX_CONNECTIONS

    def __init__(self, *args: Any, **options: Any) -> None:
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(*args, **options)

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for the connection, or 503 when all are busy."""
        if not self._free.acquire(blocking=False):
            with contextlib.suppress(OSError):
                request.settimeout(1)
                request.sendall(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def start(directory: str | os.PathLike[str], port: int = 0, isolated: bool = True) -> Server:
    """Serve ``directory`` on this machine only, in a thread; port 0 takes any free one.

    The result has `url` and `stop()`, and is a context manager.

    Raises `console.Failure` when the folder is missing or the port is taken.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise console.Failure(f"there is no folder {folder} to serve; run ./build_pyodide.sh build first.")
    try:
        return Server(folder, port, isolated=isolated)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise console.Failure(
                f"port {port} is in use; choose another with --port, for example --port {port + 1}."
            ) from error
        raise


def main() -> None:
    parser = argparse.ArgumentParser(prog="build_pyodide.sh serve", description="Serve the site on this machine.")
    parser.add_argument("directory", nargs="?", default=paths.SITE, type=Path)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"default {DEFAULT_PORT}; 0 takes any free one")
    parser.add_argument("--no-isolation", action="store_true", help="leave out COOP and COEP, as a plain host does")
    options = parser.parse_args()
    if not 0 <= options.port <= 65535:
        raise console.Failure(f"--port {options.port} is no port; give a number from 0 to 65535.")
    server = start(options.directory, options.port, isolated=not options.no_isolation)
    console.step(f"Serving {server.url}  (Ctrl-C stops)")
    with contextlib.suppress(KeyboardInterrupt):
        server.wait()


if __name__ == "__main__":
    sys.exit(console.run(main))
