"""Downloads from a hub that misbehaves, in Chromium, with files on disk, in the cache and in memory."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from .fake_hub import COMMIT, Hub
from .storage_tab import SHELVES, SIZE, Tab, check_progress, check_whole, content, digest, remote, statuses


def test_sha256_is_hashlibs(open_tab: Callable[..., Tab]) -> None:
    digests = open_tab().page.evaluate(
        """async () => {
            const { Sha256 } = await import("/storage/sha256.js");
            return Array.from({ length: 200 }, (_, n) => {
                const hash = new Sha256();
                for (let at = 0; at < n; at += 37) {
                    hash.update(Uint8Array.from({ length: Math.min(37, n - at) }, (_, i) => (at + i) * 7 + n));
                }
                return hash.hex();
            });
        }"""
    )
    assert digests == [digest(bytes((i * 7 + n) % 256 for i in range(n))) for n in range(200)]


@pytest.mark.parametrize("shelf", SHELVES)
def test_a_file_is_fetched_once_and_kept(open_tab: Callable[..., Tab], hub: Hub, shelf: str) -> None:
    tab = open_tab(SHELVES[shelf])
    first = tab.load(remote(hub))
    check_whole(first, hub.files["m.gguf"])
    check_progress(first["events"], SIZE)
    assert hub.downloads() == [("m.gguf", "bytes=0-0"), ("m.gguf", "bytes=0-")]
    assert first["files"][0]["kind"] == ("SyncReader" if shelf == "opfs" else "PiecesReader")
    notices = [e["message"] for e in first["events"] if e["status"] == "notice"]
    assert len(notices) == (shelf != "opfs")
    hub.log.clear()
    again = (tab if shelf == "memory" else open_tab(SHELVES[shelf])).load(remote(hub))
    check_whole(again, hub.files["m.gguf"])
    assert bool(hub.downloads()) == (shelf == "memory")  # memory keeps a file until it has been read
    assert tab.run("usage")["kind"] == shelf


@pytest.mark.parametrize("shelf", ["opfs", "cache"])
def test_a_cut_connection_resumes_where_it_broke(open_tab: Callable[..., Tab], hub: Hub, shelf: str) -> None:
    hub.bytes_per_second = 4_000_000
    hub.cuts = sorted(random.Random(7).sample(range(SIZE // 8, SIZE // 4), 3))
    result = open_tab(SHELVES[shelf]).load(remote(hub, size=SIZE, sha256=digest(hub.files["m.gguf"])))
    check_whole(result, hub.files["m.gguf"])
    check_progress(result["events"], SIZE)
    starts = [int(span.removeprefix("bytes=").removesuffix("-")) for _, span in hub.downloads()]
    # The browser drops bytes not yet delivered when the connection broke; no others arrive twice.
    assert starts == sorted(starts)
    assert len(starts) == 4
    assert starts[0] == 0 < starts[1] < starts[3]
    assert hub.sent < 1.3 * SIZE
    assert "retry" in statuses(result)


@pytest.mark.parametrize("shelf", ["opfs", "cache"])
def test_an_abort_leaves_a_part_that_a_new_page_resumes(open_tab: Callable[..., Tab], hub: Hub, shelf: str) -> None:
    hub.bytes_per_second = 6_000_000
    source = remote(hub, size=SIZE, sha256=digest(hub.files["m.gguf"]))
    tab = open_tab(SHELVES[shelf])
    stopped = tab.load(source, abortAt=SIZE // 3)
    assert stopped["error"]["name"] == "AbortError"
    [part] = tab.run("list")
    assert SIZE // 3 <= part["size"] < SIZE
    assert not part["complete"]
    tab.page.close()
    hub.log.clear()
    result = open_tab(SHELVES[shelf]).load(source)
    check_whole(result, hub.files["m.gguf"])
    check_progress(result["events"], SIZE)
    assert hub.downloads() == [("m.gguf", f"bytes={part['size']}-")]


def test_a_page_that_is_closed_loses_nothing(open_tab: Callable[..., Tab], hub: Hub) -> None:
    hub.bytes_per_second = 3_000_000
    tab = open_tab()
    tab.start("load", source=remote(hub, size=SIZE))
    while hub.sent < SIZE // 3:
        tab.page.wait_for_timeout(20)
    tab.page.close()
    hub.log.clear()
    hub.bytes_per_second = 0
    check_whole(open_tab().load(remote(hub, size=SIZE)), hub.files["m.gguf"])
    [(_, span)] = hub.downloads()
    assert int(span.removeprefix("bytes=").removesuffix("-")) > SIZE // 10


@pytest.mark.parametrize("hint", ["etag", "length", "hash"])
def test_a_changed_file_is_fetched_again(open_tab: Callable[..., Tab], hub: Hub, hint: str) -> None:
    if hint != "etag":
        hub.etag = '"same"'
    hub.bytes_per_second = 6_000_000
    tab = open_tab()
    extra: dict[str, Any] = {"sha256": digest(hub.files["m.gguf"])} if hint == "hash" else {}
    assert tab.load(remote(hub, **extra), abortAt=SIZE // 3)["error"]["name"] == "AbortError"
    changed = content(2, SIZE if hint != "length" else SIZE - 1000)
    hub.files["m.gguf"] = changed
    hub.bytes_per_second = 0
    extra = {"sha256": digest(changed)} if hint == "hash" else {}
    result = tab.load(remote(hub, **extra))
    check_whole(result, changed)


def test_a_server_without_ranges(open_tab: Callable[..., Tab], hub: Hub) -> None:
    hub.ranges = False
    hub.cuts = [SIZE // 2]
    result = open_tab().load(remote(hub, size=SIZE))
    check_whole(result, hub.files["m.gguf"])
    check_progress(result["events"], SIZE)


@pytest.mark.parametrize("size_given", [True, False], ids=["size known", "size unknown"])
def test_content_coding_does_not_fool_the_progress(open_tab: Callable[..., Tab], hub: Hub, size_given: bool) -> None:
    data = hub.files["m.gguf"] = b"weights " * 400_000
    hub.coding = True
    extra: dict[str, Any] = {"size": len(data)} if size_given else {}
    result = open_tab().load(remote(hub, **extra))
    check_whole(result, data)
    check_progress(result["events"], len(data))
    if size_given:
        assert {e["total"] for e in result["events"] if e["status"] == "download"} == {len(data)}


def test_hidden_headers_do_not_hinder(open_tab: Callable[..., Tab], hub: Hub) -> None:
    hub.exposed = ""
    hub.cuts = [SIZE // 2]
    check_whole(open_tab().load(remote(hub, size=SIZE)), hub.files["m.gguf"])


@pytest.mark.parametrize("shelf", SHELVES)
def test_a_wrong_hash_leaves_nothing(open_tab: Callable[..., Tab], hub: Hub, shelf: str) -> None:
    tab = open_tab(SHELVES[shelf])
    result = tab.load(remote(hub, sha256="0" * 64))
    assert result["error"]["name"] == "IntegrityError"
    assert "SHA-256" in result["error"]["message"]
    assert result["error"]["remedy"]
    assert tab.run("list") == []
    assert not [name for name in tab.run("names") if name.startswith("f-")]


def test_a_wrong_size_is_reported_before_the_first_byte(open_tab: Callable[..., Tab], hub: Hub) -> None:
    hub.bytes_per_second = 2_000_000
    result = open_tab().load(remote(hub, size=SIZE - 1))
    assert result["error"]["name"] == "IntegrityError"
    assert hub.sent < SIZE


REFUSALS = {
    "missing": ([(404, {})], "DownloadError", "answered 404", "Check the name"),
    "private": ([(401, {})], "DownloadError", "answered 401", "files on your computer"),
    "gated": ([(403, {"X-Error-Code": "GatedRepo"})], "DownloadError", "gated", "Accept its licence"),
    "busy": ([(429, {"Retry-After": "3600"})], "DownloadError", "too many requests", "Try again in 3600 seconds"),
    "broken": ([(500, {})] * 9, "DownloadError", "answered 500", "in trouble"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_have_names_and_remedies(open_tab: Callable[..., Tab], hub: Hub, case: str) -> None:
    hub.refusals, name, message, remedy = list(REFUSALS[case][0]), *REFUSALS[case][1:]
    error = open_tab().load(remote(hub, size=SIZE))["error"]
    assert error["name"] == name
    assert message in error["message"]
    assert remedy in error["remedy"]
    assert error["where"] == f"{hub.url}/m.gguf"
    assert len(hub.downloads()) == (5 if case == "broken" else 1)


def test_faults_that_pass_are_waited_out(open_tab: Callable[..., Tab], hub: Hub) -> None:
    hub.refusals = [(503, {}), (429, {"Retry-After": "1"}), (500, {})]
    check_whole(open_tab().load(remote(hub, size=SIZE)), hub.files["m.gguf"])
    assert len(hub.downloads()) == 4


def test_a_host_without_cors_is_named_as_such(open_tab: Callable[..., Tab], hub: Hub) -> None:
    hub.cors = False
    error = open_tab().load(remote(hub, size=SIZE))["error"]
    assert error["name"] == "DownloadError"
    assert "CORS" in error["message"]
    assert "choose them from your computer" in error["remedy"]


def test_a_host_that_is_down(open_tab: Callable[..., Tab], hub: Hub) -> None:
    hub.stop()
    error = open_tab().load(remote(hub, size=SIZE))["error"]
    assert error["name"] == "DownloadError"
    assert "could not be fetched" in error["message"]
    assert "Check the connection" in error["remedy"]


def test_an_empty_file(open_tab: Callable[..., Tab], hub: Hub) -> None:
    hub.files["m.gguf"] = b""
    error = open_tab().load(remote(hub))["error"]
    assert (error["name"], error["message"]) == ("DownloadError", "the file is empty")


def test_the_hub_states_sizes_and_hashes(open_tab: Callable[..., Tab], hub: Hub) -> None:
    hub.files = {"config.json": b"{}", "tokenizer.json": b"{ }", "model.safetensors": content(4), "extra.bin": b"x"}
    source = {"hub": "someone/model", "hubURL": hub.url}
    tab = open_tab()
    result = tab.load(source)
    assert [f["sha256"] for f in result["files"]] == [
        digest(hub.files[name]) for name in ("config.json", "tokenizer.json", "model.safetensors")
    ]
    assert not [span for _, span in hub.downloads() if span == "bytes=0-0"]
    assert all(f"/resolve/{COMMIT}/" in path for _, path, span in hub.log if span)
    assert [m["name"] for m in tab.run("list")] == ["someone/model"]
    tab.page.context.set_offline(True)
    offline = tab.load(source)
    assert [f["sha256"] for f in offline["files"]] == [f["sha256"] for f in result["files"]]
    assert any("could not be reached" in e.get("message", "") for e in offline["events"])
    assert "error" not in tab.load({"kept": "someone/model"})
    tab.page.context.set_offline(False)
    tab.run("clear")
    hub.wrong_hash = True
    assert tab.load(source)["error"]["name"] == "IntegrityError"
