"""The web server: media types, isolation headers, ranges, and nothing from outside the folder."""

from __future__ import annotations

import http.client
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools import console, serve

BODY = bytes(range(256)) * 4


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "sub").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>home")
    (folder / "model.gguf").write_bytes(BODY)
    (folder / "empty.bin").write_bytes(b"")
    for name in ("a.mjs", "a.js", "a.wasm", "a.whl", "a.json", "a.css"):
        (folder / name).write_bytes(b"x")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    return folder


@pytest.fixture
def server(site: Path) -> Iterator[serve.Server]:
    with serve.start(site) as running:
        yield running


def get(server: serve.Server, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.mjs", "text/javascript"),
        ("a.js", "text/javascript"),
        ("a.wasm", "application/wasm"),
        ("a.whl", "application/zip"),
        ("a.json", "application/json"),
        ("a.css", "text/css"),
        ("model.gguf", "application/octet-stream"),
        ("", "text/html"),
    ],
)
def test_media_types(server: serve.Server, name: str, media_type: str) -> None:
    status, headers, _ = get(server, f"/{name}")
    assert (status, headers["content-type"].split(";")[0]) == (200, media_type)


def test_isolation_headers_come_unless_left_out(site: Path, server: serve.Server) -> None:
    _, headers, _ = get(server, "/")
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    with serve.start(site, isolated=False) as plain:
        _, headers, _ = get(plain, "/")
        assert "cross-origin-opener-policy" not in headers
        assert "cross-origin-embedder-policy" not in headers


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [("bytes=0-0", 0, 0), ("bytes=10-19", 10, 19), ("bytes=1000-", 1000, 1023), ("bytes=-4", 1020, 1023),
     ("bytes=1000-9999", 1000, 1023), ("bytes=-9999", 0, 1023)],
)  # fmt: skip
def test_a_range(server: serve.Server, header: str, first: int, last: int) -> None:
    status, headers, body = get(server, "/model.gguf", Range=header)
    assert status == 206
    assert body == BODY[first : last + 1]
    assert headers["content-range"] == f"bytes {first}-{last}/{len(BODY)}"
    assert headers["content-length"] == str(len(body))


@pytest.mark.parametrize("header", ["bytes=1024-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_outside_the_file(server: serve.Server, header: str) -> None:
    status, headers, body = get(server, "/model.gguf", Range=header)
    assert (status, headers["content-range"], body) == (416, f"bytes */{len(BODY)}", b"")


@pytest.mark.parametrize("header", ["items=0-1", "bytes=0-1,4-5", "bytes=9-3", "bytes=", "bytes=-", "bytes=a-b"])
def test_a_header_that_is_no_single_range_is_ignored(server: serve.Server, header: str) -> None:
    status, headers, body = get(server, "/model.gguf", Range=header)
    assert (status, body) == (200, BODY)
    assert headers["accept-ranges"] == "bytes"


def test_head_has_the_headers_and_no_body(server: serve.Server) -> None:
    status, headers, body = get(server, "/model.gguf", "HEAD")
    assert (status, headers["content-length"], body) == (200, "1024", b"")
    status, headers, body = get(server, "/model.gguf", "HEAD", Range="bytes=0-0")
    assert (status, headers["content-length"], body) == (206, "1", b"")


def test_requests_on_one_connection_do_not_mix(server: serve.Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for _ in range(2):
        connection.request("GET", "/model.gguf", headers={"Range": "bytes=2-3"})
        assert connection.getresponse().read() == BODY[2:4]
        connection.request("GET", "/model.gguf")
        assert connection.getresponse().read() == BODY
        connection.request("GET", "/model.gguf", headers={"Range": "bytes=4096-"})
        assert connection.getresponse().read() == b""
    connection.close()


@pytest.mark.parametrize(
    "path",
    ["/../secret.txt", "/%2e%2e/secret.txt", "/sub/../../secret.txt", "/..%2fsecret.txt", "/link.txt", "/a%00.js",
     "/sub/", "/nothing.js", "//../secret.txt"],
)  # fmt: skip
def test_nothing_from_outside_the_folder(server: serve.Server, path: str) -> None:
    for headers in ({}, {"Range": "bytes=0-3"}):
        status, _, body = get(server, path, **headers)
        assert status == 404
        assert b"secr" not in body


def test_an_index_page_that_is_a_link_to_the_outside(server: serve.Server, site: Path, tmp_path: Path) -> None:
    (site / "sub" / "index.html").symlink_to(tmp_path / "secret.txt")
    for path in ("/sub/", "/sub/index.html", "/sub"):
        status, _, body = get(server, path)
        assert status in (301, 404)
        assert b"secr" not in body
    (site / "inside").mkdir()
    (site / "inside" / "index.html").symlink_to(site / "index.html")  # a link that stays inside is served
    assert get(server, "/inside/")[2] == b"<!doctype html>home"


@pytest.mark.parametrize("path", ["/pipe", "/loop", "/loop/x.js", "/" + "x" * 5000, "/" + "d/" * 3000])
def test_what_is_no_file_is_answered(server: serve.Server, site: Path, path: str) -> None:
    os.mkfifo(site / "pipe")
    (site / "loop").symlink_to("loop")
    assert get(server, path)[0] == 404


def answer_to(server: serve.Server, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(request)
        parts = []
        while part := raw.recv(65536):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "localhost:80@evil", ""]
)
def test_another_host_name_is_refused(server: serve.Server, host: str) -> None:
    assert answer_to(server, f"GET /a.js HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()).startswith(b"HTTP/1.1 421")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000", "loom.localhost:8000"])
def test_the_names_of_this_machine(server: serve.Server, host: str) -> None:
    assert get(server, "/a.js", Host=host)[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("", 400),
        ("Host: localhost\r\nHost: evil.example\r\n", 400),
        ("Host: localhost\r\nContent-Length: 34\r\n", 400),
        ("Host: localhost\r\nTransfer-Encoding: chunked\r\n", 400),
    ],
)
def test_a_body_is_never_the_next_request(server: serve.Server, headers: str, status: int) -> None:
    smuggled = "GET /model.gguf HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = answer_to(server, f"GET /a.js HTTP/1.1\r\n{headers}\r\n{smuggled}".encode())
    assert answer.startswith(f"HTTP/1.1 {status}".encode())
    assert answer.count(b"HTTP/1.1") == 1
    assert BODY[:64] not in answer


def test_idle_connections_are_bounded(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve.Handler, "timeout", 1)
    with serve.start(site) as server:
        before = threading.active_count()
        idle: list[socket.socket] = []
        try:
            for _ in range(300):
                idle.append(socket.create_connection(("127.0.0.1", server.port), timeout=20))
                assert threading.active_count() - before <= serve.MAX_CONNECTIONS
            answers = [connection.recv(100) for connection in idle]  # silence is ended by the server
            assert all(answer == b"" or answer.startswith(b"HTTP/1.1 503") for answer in answers)
            assert get(server, "/a.js")[0] == 200
        finally:
            for connection in idle:
                connection.close()


def test_a_browser_that_stops_reading_does_no_harm(server: serve.Server, site: Path) -> None:
    (site / "large.bin").write_bytes(b"x" * 20_000_000)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(b"GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        raw.recv(1000)
    assert get(server, "/a.js")[0] == 200


def test_a_taken_port_and_a_missing_folder_are_one_sentence(server: serve.Server, site: Path, tmp_path: Path) -> None:
    with pytest.raises(console.Failure, match=rf"^port {server.port} is in use; choose another with --port"):
        serve.start(site, server.port)
    with pytest.raises(console.Failure, match=r"no folder .* to serve; run \./build_pyodide\.sh build first"):
        serve.start(tmp_path / "nowhere")


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_any_range_is_the_slice_it_says(size: int, first: int, last: int) -> None:
    data = bytes(i % 251 for i in range(size))
    try:
        span = serve.byte_range(f"bytes={first}-{last}", size)
    except ValueError:
        assert first >= size
        return
    if last < first:
        assert span is None
    else:
        assert span is not None
        assert data[span[0] : span[1] + 1] == data[first : last + 1]
