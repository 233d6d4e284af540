"""Downloads and storage against a hub that misbehaves, in Chromium, with files on disk, in the cache and in memory."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from .fake_hub import COMMIT, Hub

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
    made = Hub({"m.gguf": content(1)})
    yield made
    made.stop()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """One browser profile; its pages are tabs."""
    made = chromium.new_context(bypass_csp=True)
    yield made
    made.close()


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
        """Begin, and give a function that waits for the end."""
        self.page.evaluate("([command, params]) => { window.result = run(command, params); }", [command, params])
        return lambda: self.page.evaluate("window.result")

    def load(self, source: dict[str, Any], **params: Any) -> dict[str, Any]:
        return self.run("load", source=source, **params)


@pytest.fixture
def open_tab(context: BrowserContext, plain_url: str) -> Callable[..., Tab]:
    return lambda hide=(): Tab(context, plain_url, list(hide))


def remote(hub: Hub, name: str = "m.gguf", **more: Any) -> dict[str, Any]:
    return {"remote": [{"name": name, "url": f"{hub.url}/{name}", **more}], "name": name}


def check_whole(result: dict[str, Any], data: bytes, name: str = "m.gguf") -> None:
    assert "error" not in result, result["error"]
    assert [(f["name"], f["size"], f["sha256"]) for f in result["files"]] == [(name, len(data), digest(data))]


def check_progress(events: list[dict[str, Any]], size: int) -> None:
    """Monotone, and at the end exactly at the total."""
    steps = [(e["loaded"], e.get("total")) for e in events if e["status"] == "download"]
    assert steps == sorted(steps, key=lambda s: s[0])
    assert steps[-1] == (size, size)
    assert all(total is None or loaded <= total for loaded, total in steps)


def statuses(result: dict[str, Any]) -> set[str]:
    return {event["status"] for event in result["events"]}


def test_sha256_is_hashlibs(open_tab: Callable[..., Tab]) -> None:
    found = open_tab().page.evaluate(
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
    assert found == [digest(bytes((i * 7 + n) % 256 for i in range(n))) for n in range(200)]


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
    assert bool(hub.downloads()) == (shelf == "memory")  # memory holds a file until it was read
    assert tab.run("usage")["kind"] == shelf


@pytest.mark.parametrize("shelf", ["opfs", "cache"])
def test_a_cut_connection_goes_on_where_it_broke(open_tab: Callable[..., Tab], hub: Hub, shelf: str) -> None:
    hub.bytes_per_second = 4_000_000
    hub.cuts = sorted(random.Random(7).sample(range(SIZE // 8, SIZE // 4), 3))
    result = open_tab(SHELVES[shelf]).load(remote(hub, size=SIZE, sha256=digest(hub.files["m.gguf"])))
    check_whole(result, hub.files["m.gguf"])
    check_progress(result["events"], SIZE)
    starts = [int(span.removeprefix("bytes=").removesuffix("-")) for _, span in hub.downloads()]
    # The browser drops what it had not yet handed over when the connection broke; nothing else comes twice.
    assert starts == sorted(starts)
    assert len(starts) == 4
    assert starts[0] == 0 < starts[1] < starts[3]
    assert hub.sent < 1.3 * SIZE
    assert "retry" in statuses(result)


@pytest.mark.parametrize("shelf", ["opfs", "cache"])
def test_an_abort_leaves_a_part_that_a_new_page_goes_on_with(
    open_tab: Callable[..., Tab], hub: Hub, shelf: str
) -> None:
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


@pytest.mark.parametrize("known", ["etag", "length", "hash"])
def test_a_file_that_changed_is_fetched_anew(open_tab: Callable[..., Tab], hub: Hub, known: str) -> None:
    if known != "etag":
        hub.etag = '"same"'
    hub.bytes_per_second = 6_000_000
    tab = open_tab()
    extra: dict[str, Any] = {"sha256": digest(hub.files["m.gguf"])} if known == "hash" else {}
    assert tab.load(remote(hub, **extra), abortAt=SIZE // 3)["error"]["name"] == "AbortError"
    changed = content(2, SIZE if known != "length" else SIZE - 1000)
    hub.files["m.gguf"] = changed
    hub.bytes_per_second = 0
    extra = {"sha256": digest(changed)} if known == "hash" else {}
    result = tab.load(remote(hub, **extra))
    check_whole(result, changed)


def test_a_server_without_ranges(open_tab: Callable[..., Tab], hub: Hub) -> None:
    hub.ranges = False
    hub.cuts = [SIZE // 2]
    result = open_tab().load(remote(hub, size=SIZE))
    check_whole(result, hub.files["m.gguf"])
    check_progress(result["events"], SIZE)


@pytest.mark.parametrize("known", [True, False], ids=["size known", "size unknown"])
def test_content_coding_does_not_fool_the_progress(open_tab: Callable[..., Tab], hub: Hub, known: bool) -> None:
    data = hub.files["m.gguf"] = b"weights " * 400_000
    hub.coding = True
    extra: dict[str, Any] = {"size": len(data)} if known else {}
    result = open_tab().load(remote(hub, **extra))
    check_whole(result, data)
    check_progress(result["events"], len(data))
    if known:
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


def test_a_wrong_size_is_told_before_the_first_byte(open_tab: Callable[..., Tab], hub: Hub) -> None:
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


def test_a_host_without_cors_is_named_as_that(open_tab: Callable[..., Tab], hub: Hub) -> None:
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


def set_quota(tab: Tab, quota: int | None) -> None:
    session = tab.page.context.new_cdp_session(tab.page)
    origin = tab.page.evaluate("location.origin")
    session.send("Storage.overrideQuotaForOrigin", {"origin": origin} | ({"quotaSize": quota} if quota else {}))
    tab.quota_session = session  # type: ignore[attr-defined]  # the override ends with it


def test_no_room_is_told_before_the_first_byte(open_tab: Callable[..., Tab], hub: Hub) -> None:
    tab = open_tab()
    tab.run("quota", usage=500_000, quota=3_000_000)
    refused = tab.load(remote(hub, size=SIZE) | {"keep": "must"})
    assert refused["error"]["name"] == "StorageError"
    assert "needs 3.0 MB" in refused["error"]["message"]
    assert refused["error"]["remedy"]
    assert hub.downloads() == []
    result = tab.load(remote(hub, size=SIZE))
    check_whole(result, hub.files["m.gguf"])
    assert result["files"][0]["kind"] == "PiecesReader"
    assert any("no room" in e.get("message", "") for e in result["events"])
    assert tab.run("list") == []


@pytest.mark.parametrize("shelf", ["opfs", "cache"])
def test_a_disk_that_fills_up_on_the_way_loses_nothing(open_tab: Callable[..., Tab], hub: Hub, shelf: str) -> None:
    size = 12_000_000
    data = hub.files["m.gguf"] = content(3, size)
    hub.bytes_per_second = 12_000_000
    tab = open_tab(SHELVES[shelf])
    source = remote(hub, size=size, sha256=digest(data))
    wait = tab.start("load", source=source)
    while hub.sent < size // 4:
        tab.page.wait_for_timeout(10)
    set_quota(tab, 5_500_000)
    result = wait()
    check_whole(result, data)
    check_progress(result["events"], size)
    assert len(hub.downloads()) == 1
    assert any("storage is full" in e.get("message", "") for e in result["events"])
    assert result["files"][0]["kind"] in ("JoinedReader", "PiecesReader")
    set_quota(tab, 500_000_000)
    hub.log.clear()
    check_whole(tab.load(source), data)  # and what found room is not fetched again
    [(_, span)] = hub.downloads()
    assert int(span.removeprefix("bytes=").removesuffix("-")) > 0


def test_the_least_recently_used_model_makes_room(open_tab: Callable[..., Tab], hub: Hub) -> None:
    tab = open_tab()
    for i in range(3):
        hub.files[f"{i}.gguf"] = content(i)
        check_whole(tab.load(remote(hub, f"{i}.gguf")), content(i), f"{i}.gguf")
        tab.page.wait_for_timeout(5)
    tab.load(remote(hub, "0.gguf"))
    assert [model["name"] for model in tab.run("list")] == ["0.gguf", "2.gguf", "1.gguf"]
    usage = tab.run("usage")
    assert usage["kept"] == 3 * SIZE
    tab.run("quota", usage=9_000_000, quota=11_000_000)
    refused = tab.load(remote(hub) | {"keep": "must"})
    assert "Remove 1.gguf, or load it without keeping it" in refused["error"]["remedy"]
    result = tab.load(remote(hub) | {"keep": "must", "evict": True})
    check_whole(result, hub.files["m.gguf"])
    assert [e["file"] for e in result["events"] if e["status"] == "evicted"] == ["1.gguf"]
    assert [model["name"] for model in tab.run("list")] == ["m.gguf", "0.gguf", "2.gguf"]
    assert tab.run("remove", name="0.gguf") == SIZE
    assert "no such model" in tab.run("remove", name="0.gguf")["error"]["message"]
    assert tab.run("clear") == 2 * SIZE
    assert tab.run("list") == []
    assert tab.run("names") == []


def test_two_tabs_fetch_a_file_once(open_tab: Callable[..., Tab], hub: Hub) -> None:
    hub.bytes_per_second = 1_500_000
    first, second = open_tab(), open_tab()
    source = remote(hub, size=SIZE)
    wait = [tab.start("load", source=source) for tab in (first, second)]
    while hub.sent < SIZE // 10:
        second.page.wait_for_timeout(10)
    assert "in another tab" in second.run("clear")["error"]["message"]
    results = [w() for w in wait]
    for result in results:
        check_whole(result, hub.files["m.gguf"])
    assert len(hub.downloads()) == 1
    assert {"waiting", "cached"} <= statuses(results[0]) | statuses(results[1])


def test_never_keeping_leaves_nothing_behind(open_tab: Callable[..., Tab], hub: Hub) -> None:
    tab = open_tab()
    check_whole(tab.load(remote(hub) | {"keep": "never"}), hub.files["m.gguf"])
    assert tab.run("names") == []


def test_the_hub_tells_sizes_and_hashes(open_tab: Callable[..., Tab], hub: Hub) -> None:
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
    assert any("was not reached" in e.get("message", "") for e in offline["events"])
    assert "error" not in tab.load({"kept": "someone/model"})
    tab.page.context.set_offline(False)
    tab.run("clear")
    hub.wrong_hash = True
    assert tab.load(source)["error"]["name"] == "IntegrityError"


def test_a_repository_with_several_gguf_files_asks_which(open_tab: Callable[..., Tab], hub: Hub) -> None:
    hub.files = {"a-Q4_1.gguf": content(5), "a-Q8_0.gguf": content(6)}
    error = open_tab().load({"hub": "someone/quants", "hubURL": hub.url})["error"]
    assert error["name"] == "InputError"
    assert "someone/quants/a-Q8_0.gguf" in error["remedy"]
    result = open_tab().load({"hub": "someone/quants/a-Q8_0.gguf", "hubURL": hub.url})
    check_whole(result, hub.files["a-Q8_0.gguf"], "a-Q8_0.gguf")
