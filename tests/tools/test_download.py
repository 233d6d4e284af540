"""Downloads: the hash decides, and interrupted ones resume."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import console, download, files, serve

BODY = bytes(range(256)) * 8192  # 2 MB
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[serve.Server]:
    folder = tmp_path / "remote"
    folder.mkdir()
    (folder / "model.bin").write_bytes(BODY)
    with serve.start(folder) as server:
        yield server


class Breaking(http.server.BaseHTTPRequestHandler):
    """Promises the whole file, sends half of the requested range, and closes; records the requests."""

    protocol_version = "HTTP/1.1"
    asked: list[str | None]

    def do_GET(self) -> None:
        self.asked.append(self.headers.get("Range"))
        first = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        rest = BODY[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: max(1, len(rest) // 2)] if len(self.asked) < 3 else rest)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def breaking() -> Iterator[str]:
    Breaking.asked = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Breaking)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/model.bin"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_download_is_checked_and_kept(remote: serve.Server, tmp_path: Path) -> None:
    target = download.fetch(remote.url + "model.bin", tmp_path / "here/model.bin", sha256=SHA256)
    assert target.read_bytes() == BODY
    assert download.fetch("http://127.0.0.1:9/", target, sha256=SHA256) == target  # no second request


def test_a_wrong_hash_leaves_nothing(remote: serve.Server, tmp_path: Path) -> None:
    with pytest.raises(console.Skipped, match=r"SHA-256 .* where 0000000000000000… was expected"):
        download.fetch(remote.url + "model.bin", tmp_path / "here/model.bin", sha256="0" * 64)
    assert list((tmp_path / "here").iterdir()) == []


def test_an_older_file_with_another_hash_is_replaced_only_by_the_right_one(
    remote: serve.Server, tmp_path: Path
) -> None:
    target = tmp_path / "model.bin"
    target.write_bytes(b"old")
    with pytest.raises(console.Skipped):
        download.fetch(remote.url + "model.bin", target, sha256="0" * 64)
    assert target.read_bytes() == b"old"
    download.fetch(remote.url + "model.bin", target, sha256=SHA256)
    assert target.read_bytes() == BODY


def test_a_broken_download_resumes_where_it_stopped(breaking: str, tmp_path: Path) -> None:
    target = tmp_path / "model.bin"
    for _ in range(2):
        with pytest.raises(console.Skipped, match="broke off"):
            download.fetch(breaking, target, sha256=SHA256)
        assert not target.exists()
    download.fetch(breaking, target, sha256=SHA256)
    assert target.read_bytes() == BODY
    half, three_quarters = len(BODY) // 2, len(BODY) // 2 + len(BODY) // 4
    assert Breaking.asked == [None, f"bytes={half}-", f"bytes={three_quarters}-"]


@pytest.mark.parametrize("left", [BODY, BODY + b"more", b"other" * 500_000])
def test_a_part_that_is_whole_or_wrong(left: bytes, remote: serve.Server, tmp_path: Path) -> None:
    target = tmp_path / "model.bin"
    part = tmp_path / f".model.bin.{SHA256[:16]}.part"
    part.write_bytes(left)
    assert download.fetch(remote.url + "model.bin", target, sha256=SHA256).read_bytes() == BODY
    assert not part.exists()


def test_a_part_of_another_file_is_deleted(remote: serve.Server, tmp_path: Path) -> None:
    part = tmp_path / f".model.bin.{SHA256[:16]}.part"
    part.write_bytes(b"other")
    with pytest.raises(console.Skipped, match="was expected"):
        download.fetch(remote.url + "model.bin", tmp_path / "model.bin", sha256=SHA256)
    assert not part.exists()


def test_unreachable_and_missing_are_reasons_not_crashes(remote: serve.Server, tmp_path: Path) -> None:
    with pytest.raises(console.Skipped, match="answered 404"):
        download.fetch(remote.url + "nothing", tmp_path / "x", sha256=SHA256)
    with pytest.raises(console.Skipped, match="could not be reached"):
        download.fetch("http://127.0.0.1:9/x", tmp_path / "x", sha256=SHA256, timeout=2)
    assert not (tmp_path / "x").exists()


def interrupted(target: Path) -> None:
    with files.replacing(target) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt


def interrupted_directory(target: Path) -> None:
    with files.replacing_directory(target) as new:
        (new / "half").touch()
        raise KeyboardInterrupt


def test_replacing_is_all_or_nothing(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        interrupted(target)
    assert target.read_text() == "old"
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(KeyboardInterrupt):
        interrupted_directory(folder)
    assert [p.name for p in folder.iterdir()] == ["old"]
    with files.replacing_directory(folder) as new:
        (new / "new").touch()
    assert [p.name for p in folder.iterdir()] == ["new"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]
