"""Storage and downloads that go wrong: networks that mislead, disks that lie, what a crash leaves behind."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.fake_hub import Hub
from tests.browser.storage_tab import SIZE, Tab, check_whole, content, digest, remote, statuses

Opener = Callable[..., Tab]
FILES = {"config.json": b'{"model_type": "llama"}' * 50, "tokenizer.json": content(8, 40_000)}


def hub_files(hub: Hub) -> dict[str, Any]:
    """A model on the hub whose small files are not in Git LFS."""
    hub.files = {**FILES, "model.safetensors": content(9, 200_000)}
    return {"hub": "someone/model", "hubURL": hub.url}


def files_of(result: dict[str, Any]) -> dict[str, str]:
    assert "error" not in result, result["error"]
    return {file["name"]: file["sha256"] for file in result["files"]}


# Source: the trouble table, a quota estimate that is too high; Chromium tells every site of 10 GiB.
@pytest.mark.parametrize(("hidden", "lie"), [([], "full"), (["caches"], "write"), (["opfs"], "put")])
def test_must_keep_fails_where_storage_lies(open_tab: Opener, hub: Hub, hidden: list[str], lie: str) -> None:
    tab = open_tab(hidden)
    tab.run("lie", what=lie)
    refused = tab.load(remote(hub, size=SIZE) | {"keep": "must"})
    assert refused["error"]["name"] == "StorageError"
    assert refused["error"]["remedy"]
    assert not [e for e in refused["events"] if e["status"] == "kept"]
    tab = open_tab(hidden)
    tab.run("lie", what=lie)
    result = tab.load(remote(hub, size=SIZE))  # "try" loads it all the same, and says that it is not kept
    check_whole(result, hub.files["m.gguf"])
    assert "notice" in statuses(result)


# Source: the trouble table, a sign-in page of the network as the first answer, by attack.
@pytest.mark.parametrize("page_type", ["text/html", "application/octet-stream"])
@pytest.mark.parametrize("named", [True, False], ids=["with ETag", "without ETag"])
def test_a_page_in_place_of_a_file_is_not_kept(open_tab: Opener, hub: Hub, page_type: str, named: bool) -> None:
    source = hub_files(hub)
    hub.pages, hub.page_type, hub.named = 1, page_type, named
    tab = open_tab()
    right = {name: digest(data) for name, data in hub.files.items()}
    assert files_of(tab.load(source)) == right
    assert files_of(open_tab().load(source)) == right


# Source: by attack: a portal that stays, hashes that are wrong, files that are shorter than their size.
def test_what_is_not_the_published_file_is_not_kept(open_tab: Opener, hub: Hub) -> None:
    tab = open_tab()
    hub_files(hub)
    hub.pages = 99
    error = tab.load(remote(hub, "config.json"))["error"]
    assert error["name"] == "DownloadError"
    assert "web page instead of the file" in error["message"]
    hub.pages = 0
    source = hub_files(hub)
    hub.wrong_hash = True
    refused = tab.load(source)["error"]
    assert refused["name"] == "IntegrityError"
    assert "git hash" in refused["message"]
    assert not [name for name in tab.run("names") if name.startswith("f-")]


# Source: the trouble table, a connection that closes at 37 %, by a plain address, without ranges or a version.
@pytest.mark.parametrize("ranges", [True, False])
def test_no_resume_without_a_matching_version(open_tab: Opener, hub: Hub, ranges: bool) -> None:
    hub.named, hub.ranges = False, ranges
    hub.cuts = [1 if ranges else SIZE, SIZE * 37 // 100]  # without ranges, the question for the size takes one
    other = content(77)
    tab = open_tab()
    wait = tab.start("load", source=remote(hub))
    while hub.cuts:
        tab.page.wait_for_timeout(10)
    hub.files["m.gguf"] = other  # another version of the same size
    check_whole(wait(), other)


def test_git_hashes_are_gits(open_tab: Opener) -> None:
    hashes = open_tab().page.evaluate(
        """async () => {
            const { GitHash } = await import("/storage/sha1.js");
            const bytes = new TextEncoder().encode("hello world!".repeat(30));
            return [0, 12, 360].map((n) => {
                const hash = new GitHash(n);
                for (let at = 0; at < n; at += 7) hash.update(bytes.subarray(at, Math.min(n, at + 7)));
                return hash.hex();
            });
        }"""
    )
    text = b"hello world!" * 30
    assert hashes == [hashlib.sha1(b"blob %d\0" % n + text[:n]).hexdigest() for n in (0, 12, 360)]


# Source: the trouble table, a server that stops answering: before its headers, and in mid-file.
@pytest.mark.parametrize("after", [0, SIZE // 3])
def test_a_server_that_falls_silent_is_told_and_asked_again(open_tab: Opener, hub: Hub, after: int) -> None:
    tab = open_tab()
    tab.page.evaluate("ms => run('idle', ms)", 1000)
    hub.stall_after = after
    result = tab.load(remote(hub, size=SIZE, sha256=digest(hub.files["m.gguf"])))
    check_whole(result, hub.files["m.gguf"])
    retries = [e["message"] for e in result["events"] if e["status"] == "retry"]
    assert retries[0].startswith("the server sent nothing for 1 s")


# Source: the trouble table, what a crash leaves behind, by attack.
def test_what_a_crash_leaves_is_listed_removed_and_swept(open_tab: Opener, hub: Hub) -> None:
    tab = open_tab()
    check_whole(tab.load(remote(hub, size=SIZE)), hub.files["m.gguf"])
    tab.run("damage", match="^m-", text='{"name": "m.g')
    [stray] = tab.run("list")
    assert (stray["name"], stray["size"], stray["complete"]) == ("m.gguf", SIZE, False)
    assert tab.run("usage")["kept"] == SIZE
    assert tab.run("remove", name="m.gguf") == SIZE
    assert tab.run("names") == []
    # without a record of the file either
    check_whole(tab.load(remote(hub, size=SIZE)), hub.files["m.gguf"])
    tab.run("damage", match=r"\.json$", text="{")
    [stray] = tab.run("list")
    assert re.fullmatch(r"unknown file \w+", stray["name"])
    assert tab.run("remove", name=stray["name"]) == SIZE
    assert tab.run("names") == []
    # a model whose record is cut is whole again when it is loaded again
    check_whole(tab.load(remote(hub, size=SIZE)), hub.files["m.gguf"])
    tab.run("damage", match="^m-", text="")
    hub.log.clear()
    check_whole(tab.load(remote(hub, size=SIZE)), hub.files["m.gguf"])
    assert hub.downloads() == []
    assert [model["complete"] for model in tab.run("list")] == [True]
    tab.page.evaluate(
        """async () => {
            const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("loom-files");
            await folder.getFileHandle("probe-left", { create: true });
        }"""
    )
    late = open_tab()
    late.page.evaluate("run('later', 120_000)")
    late.run("usage")
    assert not [name for name in late.run("names") if name.startswith("probe")]


# Source: the trouble table, 100 kB of a kept file zeroed, by attack.
@pytest.mark.parametrize("published", [True, False], ids=["hash published", "hash not published"])
def test_a_kept_file_that_changed_on_disk_is_fetched_again(open_tab: Opener, hub: Hub, published: bool) -> None:
    data = hub.files["m.gguf"]
    source = remote(hub, size=SIZE, **({"sha256": digest(data)} if published else {}))
    check_whole(open_tab().load(source), data)
    open_tab().run("damage", match=r"\.bin$", at=1_000_000, text="\0" * 100_000)
    hub.log.clear()
    unchecked = open_tab().load(source | {"verify": False})
    assert unchecked["files"][0]["sha256"] != digest(data)
    result = open_tab().load(source)
    check_whole(result, data)
    assert any("damaged" in e.get("message", "") for e in result["events"] if e["status"] == "restart")
    assert hub.downloads() == [("m.gguf", "bytes=0-")]
