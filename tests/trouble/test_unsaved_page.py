"""Work that would be lost with the page: the browser asks while there is some, and at no other time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Dialog, Page

SETUP = """async () => {
    const { loom } = await import("/loom.js");
    window.session = await loom.start();
    window.config = { layers: [{ type: "dense", input_size: 2, output_size: 1 }] };
    window.network = await session.createNetwork(config);
    await network.forward([1, 2]);
}"""
WORKS = {
    "train": "network.train([{ input: [0, 1], target: [1] }], { epochs: 1e8 }, { signal })",
    "a reflected method": ("network.trainWithStepping({}, [{ Input: [0, 1], Target: [1] }], 1e8, { signal })"),
}


@pytest.fixture
def page(chromium: Browser, plain_url: str) -> Iterator[Page]:
    """A page that its user has clicked into; browsers ask for no other."""
    context = chromium.new_context(bypass_csp=True)
    page = context.new_page()
    page.goto(plain_url + "index.html")
    page.evaluate(SETUP)
    page.locator("h1").click()
    yield page
    context.close()


def leave(page: Page) -> tuple[list[str], bool]:
    """Go to another address, and stay if the browser asks → the kinds of its questions, whether the page is left."""
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.evaluate("() => void setTimeout(() => (location.href = '/demos/icon.svg'))")
    for _ in range(1200):
        if asked or page.url.endswith(".svg"):
            break
        page.wait_for_timeout(50)
    page.remove_listener("dialog", stay)
    return asked, page.url.endswith(".svg")


STAYS, LEAVES = (["beforeunload"], False), ([], True)


# Source: the trouble table, a tab closed in mid-training, by attack: what was learned was lost without a word.
@pytest.mark.parametrize("work", WORKS)
def test_the_browser_asks_while_something_is_trained(page: Page, work: str) -> None:
    page.evaluate(
        f"""() => {{
            window.stopping = new AbortController();
            const {{ signal }} = stopping;
            window.work = {WORKS[work]}.catch((error) => error.name);
        }}"""
    )
    assert leave(page) == STAYS
    assert page.evaluate("async () => { stopping.abort(); return await work; }") == "AbortError"
    assert leave(page) == LEAVES


def test_it_asks_until_the_last_of_several_ends(page: Page) -> None:
    page.evaluate(
        """async () => {
            window.stops = [new AbortController(), new AbortController()];
            const networks = [network, await session.createNetwork(config)];
            const batches = [{ input: [0, 1], target: [1] }];
            window.works = stops.map(({ signal }, i) =>
                networks[i].train(batches, { epochs: 1e8 }, { signal }).catch((error) => error.name));
            stops[0].abort();
            await works[0];
        }"""
    )
    assert leave(page) == STAYS
    page.evaluate("async () => { stops[1].abort(); await works[1]; }")
    assert leave(page) == LEAVES


def test_it_does_not_ask_of_work_that_failed_or_changes_nothing(page: Page) -> None:
    page.evaluate(
        """async () => {
            await network.train([{ input: [0], target: [1] }]).catch(() => {});
            await network.forward([1, 2]);
        }"""
    )
    assert leave(page) == LEAVES
