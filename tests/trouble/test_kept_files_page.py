"""Files that were kept as they came and cannot be read: fetched once anew, and only once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import tiny_checkpoint

from . import faulty_site
from .faulty_site import FaultySite

UNREADABLE = ("FormatError", "TokenizerError")
LOAD = """async (files) => {
    const restarted = [];
    const onProgress = ({ status, file, message }) => status === "restart" && restarted.push([file, message]);
    try {
        const model = await session.loadModel({ name: "m", files }, { verify: false, onProgress });
        await model.dispose();
        return { restarted, name: "" };
    } catch ({ name }) {
        return { restarted, name };
    }
}"""


@pytest.fixture
def site_with_model(site: Path, tmp_path: Path) -> Iterator[FaultySite]:
    """The site with a model on it; what `pages` holds of it can be changed."""
    directory = tiny_checkpoint.write(tmp_path)
    with faulty_site.serving(site) as running:
        for name in tiny_checkpoint.FILES:
            running.pages[f"/m/{name}"] = ((directory / name).read_bytes(), {})
        yield running


@pytest.fixture
def page(chromium: Browser, site_with_model: FaultySite) -> Iterator[Page]:
    context = chromium.new_context(bypass_csp=True)
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(site_with_model.url + "index.html")
    page.evaluate("async () => { window.session = await (await import('/loom.js')).loom.start(); }")
    yield page
    context.close()


def load(page: Page, site: FaultySite) -> tuple[dict[str, Any], list[str]]:
    """Load the model without comparing hashes → (the outcome, names of the files that were fetched)."""
    files = [{"name": name, "url": f"{site.url}m/{name}"} for name in tiny_checkpoint.FILES]
    site.requests.clear()
    outcome = page.evaluate(LOAD, files)
    return outcome, sorted(path.rpartition("/")[2] for path in site.requests if path.startswith("/m/"))


def damage(page: Page, site: FaultySite, name: str) -> None:
    """Zero the beginning of a kept file."""
    page.evaluate(
        """async (url) => {
            const { dataName, fileKey } = await import("/storage/storage.js");
            const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("loom-files");
            const handle = await folder.getFileHandle(dataName(fileKey(url)));
            const file = await handle.createWritable({ keepExistingData: true });
            await file.write({ type: "write", position: 0, data: "\\0".repeat(50) });
            await file.close();
        }""",
        f"{site.url}m/{name}",
    )


# Source: the trouble table, kept files that broke the model for good, by attack.
@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "model.safetensors"])
def test_kept_files_that_cannot_be_read_are_fetched_once_anew(
    page: Page, site_with_model: FaultySite, name: str
) -> None:
    site = site_with_model
    first, fetched = load(page, site)
    assert (first["name"], first["restarted"], set(fetched)) == ("", [], set(tiny_checkpoint.FILES))
    requests = fetched.count(name)
    assert load(page, site) == ({"restarted": [], "name": ""}, [])
    damage(page, site, name)
    mended, fetched = load(page, site)
    assert mended["name"] == ""
    assert dict(mended["restarted"])[name].endswith("it is fetched again")
    assert fetched.count(name) == requests
    assert load(page, site) == ({"restarted": [], "name": ""}, [])
    # a server that has no better file is asked once, not for ever
    damage(page, site, name)
    data = site.pages[f"/m/{name}"][0]
    site.pages[f"/m/{name}"] = (bytes(50) + data[50:], {})
    worse, fetched = load(page, site)
    assert worse["name"] in UNREADABLE
    assert [file for file, _ in worse["restarted"]].count(name) == 1
    assert 1 <= fetched.count(name) <= requests
