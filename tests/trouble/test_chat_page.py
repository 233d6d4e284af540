"""The language-model page as newcomers use it: where the conversation lies, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import tiny_checkpoint
from tests.browser.conftest import Open

WINDOWS = {"laptop": (1280, 800), "desktop": (1920, 1080), "phone": (390, 844), "small phone": (360, 640)}
BOOT_MS = 180_000


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    directory = tiny_checkpoint.write(tmp_path_factory.mktemp("tiny"))
    return [directory / name for name in tiny_checkpoint.FILES]


@pytest.fixture(scope="module")
def page(open_module_page: Open, plain_url: str) -> Page:
    page = open_module_page(plain_url + "inference.html", viewport={"width": 1280, "height": 800})
    page.set_default_timeout(BOOT_MS)
    return page


def load(page: Page, files: list[Path], button: str) -> None:
    page.get_by_role("radio", name="Your computer").check()
    page.get_by_label("Files").set_input_files(files)
    page.get_by_role("button", name=button).click()
    expect(page.locator("#status")).to_contain_text("Ready after", timeout=BOOT_MS)


def ask(page: Page, text: str) -> None:
    page.locator("#prompt").fill(text)
    page.locator("#send").click()
    expect(page.locator("#stop")).to_be_hidden()
    expect(page.locator("#send")).to_be_visible()


def in_view(page: Page, selector: str) -> bool:
    """Whether the whole element lies in the window, without scrolling the page."""
    return page.locator(selector).last.evaluate(
        """(node) => {
            const { top, bottom, left, right } = node.getBoundingClientRect();
            return scrollY === 0 && top >= 0 && left >= 0 && bottom <= innerHeight + 1 && right <= innerWidth + 1;
        }"""
    )


def check_layout(page: Page, name: str, *, model: bool) -> None:
    width, height = WINDOWS[name]
    page.set_viewport_size({"width": width, "height": height})
    assert in_view(page, "#composer"), name
    assert in_view(page, "#stats"), name
    log = page.locator("#log").bounding_box()
    assert log, name
    if model or width > 900:
        assert log["height"] > (0.4 if width > 900 else 0.3) * height, (name, log)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


# Source: the trouble table, found by newcomers: the composer lay a page and a half below the window.
def test_the_composer_and_the_newest_text_are_in_view(page: Page, tiny: list[Path]) -> None:
    for name in WINDOWS:
        check_layout(page, name, model=False)
    page.set_viewport_size({"width": 1280, "height": 800})
    ask_too_early = page.locator("#prompt")
    ask_too_early.fill("Hello")
    page.locator("#send").click()
    expect(page.locator("#error")).to_contain_text("There is no model yet")
    load(page, tiny, "Load the model")
    expect(page.locator("#error")).to_be_hidden()  # it is no longer true
    page.get_by_role("spinbutton", name="Longest answer").fill("8")
    for i in range(3):
        ask(page, f"{i}\n" * 8)
        expect(page.locator("#error")).to_be_hidden()
    for name in WINDOWS:
        check_layout(page, name, model=True)
    page.set_viewport_size({"width": 1280, "height": 800})
    ask(page, "The last one")
    assert in_view(page, ".token")
    assert page.locator("#log").evaluate("(log) => log.scrollHeight > log.clientHeight")


# Source: the trouble table, found by newcomers.
def test_another_model_begins_a_new_conversation(page: Page, tiny: list[Path]) -> None:
    turns = page.locator(".turn").count()
    assert turns > 0
    load(page, tiny, "Load another")
    expect(page.locator(".divider")).to_contain_text("New conversation with")
    assert page.locator(".turn.past").count() == turns
    ask(page, "Hello again")
    assert page.locator(".turn:not(.past)").count() == 2
    page.locator("#clear").click()
    assert page.locator(".turn, .divider").count() == 0


# Source: the trouble table, found by newcomers: the same text came twice.
def test_continue_goes_on_from_what_stands_there(page: Page) -> None:
    page.locator(".segments").get_by_text("Complete").click()
    page.get_by_label("Temperature").fill("0")
    page.get_by_role("spinbutton", name="Longest answer").fill("6")
    ask(page, "Once upon a time")
    short = page.locator(".token").all_text_contents()
    page.locator("#send").click()
    expect(page.locator("#stop")).to_be_hidden()
    expect(page.locator("#send")).to_be_visible()
    twice = page.locator(".token").all_text_contents()
    assert page.locator(".turn").count() == 1
    assert twice[: len(short)] == short
    assert len(twice) > len(short)
    expect(page.locator(".given")).to_have_text("Once upon a time")
    ask(page, "")  # nothing typed goes on as well
    assert len(page.locator(".token").all_text_contents()) > len(twice)
    ask(page, "Another story")  # another text is another story
    assert page.locator(".turn").count() == 2
    page.locator("#clear").click()
    ask(page, "Another story")
    assert page.locator(".turn").count() == 1
