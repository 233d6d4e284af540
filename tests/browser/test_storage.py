"""Room for models in Chromium: quotas, full disks, eviction, tabs that share files, and models that are not kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .fake_hub import Hub
from .storage_tab import SHELVES, SIZE, Tab, check_progress, check_whole, content, digest, remote, set_quota, statuses


def test_missing_room_is_reported_before_the_first_byte(open_tab: Callable[..., Tab], hub: Hub) -> None:
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
    check_whole(tab.load(source), data)  # and files that had room are not fetched again
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
