"""The stepping, optimiser and adaptation pages: what they show is correct, they stop on request, they look right."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from .conftest import Open
from .test_pages import CONTRAST, NAMELESS, Scheme

PAGES = ("step_example.html", "optimizer.html", "adaptation_demo.html", "live_view.html")
LONG = 120_000


def start(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        page.fill(f"#{name}", value)
    page.locator("#start").click()


def finished(page: Page, words: str) -> None:
    expect(page.get_by_role("status")).to_contain_text(words, timeout=LONG)
    expect(page.locator("#start")).to_be_enabled()


def test_stepping_classifies_six_of_six(
    open_page: Open, isolated_url: str, screenshot: Callable[[Page, str], Path]
) -> None:
    page = open_page(isolated_url + "step_example.html")
    start(page, seed="2", ticks="30000")
    finished(page, "Trained with seed 2")
    expect(page.locator("#score")).to_have_text("6 of 6")
    rows = page.locator("#samples tr")
    expect(rows).to_have_count(6)
    for i, name in enumerate(("low", "low", "high", "high", "mix", "mix")):
        cells = rows.nth(i).locator("td").all_inner_texts()
        assert cells[2] == cells[3] == name
        outputs = [float(v) for v in cells[1].split(",")]
        assert max(outputs) == outputs[("low", "high", "mix").index(name)]
    assert page.inner_text("#tick") == "30,000"
    assert float(page.inner_text("#loss")) < 0.1
    assert page.inner_text("#accuracy").endswith("%")
    label = page.locator("#chart").get_attribute("aria-label") or ""
    first, last = map(float, re.findall(r"from ([\d.e-]+) to ([\d.e-]+)", label)[0])
    assert last < first / 10
    page.locator("#live canvas").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#layer")).to_contain_text("Layer 1: lstm")
    screenshot(page, "step-example")


@pytest.mark.parametrize("how", ["button", "Escape"])
def test_stepping_stops_at_once(open_page: Open, plain_url: str, how: str) -> None:
    page = open_page(plain_url + "step_example.html")
    start(page, ticks="1000000")
    page.wait_for_function("() => Number(document.getElementById('tick').textContent.replaceAll(',', '')) > 200")
    if how == "button":
        page.locator("#stop").click()
    else:
        page.keyboard.press("Escape")
    finished(page, "Stopped after tick")
    expect(page.locator("#score")).to_contain_text("of 6")
    expect(page.locator("#stop")).to_be_disabled()


def test_the_same_seed_gives_the_same_again(open_page: Open, plain_url: str) -> None:
    page = open_page(plain_url + "step_example.html")
    texts = []
    for _ in range(2):
        start(page, ticks="500", seed="5")
        finished(page, "Trained with seed 5")
        texts.append(page.inner_text("#samples"))
    start(page, ticks="500", seed="6")
    finished(page, "Trained with seed 6")
    assert texts[0] == texts[1] != page.inner_text("#samples")


@pytest.mark.parametrize(
    ("name", "field", "value", "words"),
    [
        ("step_example.html", "ticks", "10", "Ticks: expected"),
        ("step_example.html", "seed", "-1", "Seed: expected"),
        ("optimizer.html", "ticks", "1.5", "whole number"),
        ("adaptation_demo.html", "ticks", "", "Decisions per run"),
    ],
)
def test_wrong_numbers_are_told(open_page: Open, plain_url: str, name: str, field: str, value: str, words: str) -> None:
    page = open_page(plain_url + name)
    start(page, **{field: value})
    expect(page.get_by_role("alert")).to_contain_text(words)
    expect(page.locator(f"#{field}")).to_be_focused()
    expect(page.locator("#start")).to_be_enabled()


def test_four_optimisers(open_page: Open, isolated_url: str, screenshot: Callable[[Page, str], Path]) -> None:
    page = open_page(isolated_url + "optimizer.html")
    start(page)
    finished(page, "4 optimisers, 5,000 ticks each")
    rows = page.locator("#results tr")
    expect(rows).to_have_count(4)
    losses = {}
    for i in range(4):
        cells = rows.nth(i).locator("th, td").all_inner_texts()
        losses[cells[0]] = (float(cells[2]), float(cells[3]), cells[5])
    assert losses["AdamW"][2] == "6 of 6"
    assert losses["AdamW"][1] < losses["AdamW"][0] / 10
    assert losses["SGD"][1] > losses["AdamW"][1]  # plain SGD is slower here, as it is natively
    expect(page.locator("#keys li")).to_have_count(4)
    screenshot(page, "optimizer")


def test_optimisers_are_chosen_and_stopped(open_page: Open, plain_url: str) -> None:
    page = open_page(plain_url + "optimizer.html")
    for name in ("SGD", "SGD with momentum", "RMSprop"):
        page.get_by_label(name, exact=True).uncheck()
    start(page, ticks="200000")
    page.wait_for_function("() => document.getElementById('progress').value > 0")
    page.locator("#stop").click()
    finished(page, "Stopped.")
    page.get_by_label("AdamW", exact=True).uncheck()
    start(page, ticks="200")
    expect(page.get_by_role("alert")).to_contain_text("at least one optimiser")


def test_adaptation_shows_every_run(
    open_page: Open, isolated_url: str, screenshot: Callable[[Page, str], Path]
) -> None:
    page = open_page(isolated_url + "adaptation_demo.html")
    for name in ("StepBP", "TweenChain", "StepTweenChain"):
        page.locator(f"#modes input[value={name}]").uncheck()
    start(page, ticks="3000", seed="1")
    finished(page, "2 runs of 3,000 decisions, seed 1")
    rows = page.locator("#results tr")
    expect(rows).to_have_count(2)
    for i, name in enumerate(("Dense-3L NormalBP", "Dense-3L TickBP")):
        cells = rows.nth(i).locator("th, td").all_inner_texts()
        assert cells[0] == name
        accuracy, speed, stability = float(cells[1].split()[0]), int(cells[4].replace(",", "")), float(cells[5])
        assert 20 < accuracy < 100
        assert speed > 10
        assert 0 < stability <= 100
        assert len(cells[2].split(",")) == len(cells[3].split(",")) == 2  # two changes
        score = float(cells[7].replace(",", ""))
        assert score == pytest.approx(speed * stability * int(cells[6].split()[0]) / 10_000, rel=0.02, abs=2)
    expect(page.locator("#keys li")).to_have_count(2)
    page.select_option("#show", "TickBP")
    expect(page.locator("#keys li")).to_have_count(1)
    expect(page.locator("#insight")).to_contain_text("Right most often")
    assert "the agent at" in (page.locator("#game").get_attribute("aria-label") or "")
    screenshot(page, "adaptation")


def test_adaptation_stops_within_a_run(open_page: Open, plain_url: str) -> None:
    page = open_page(plain_url + "adaptation_demo.html")
    start(page, ticks="100000")
    expect(page.locator("#task")).to_have_text("chase", timeout=LONG)
    page.keyboard.press("Escape")
    finished(page, "Stopped after 0 whole runs")
    expect(page.locator("#results")).to_contain_text("Nothing ran yet")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1440])
def test_layout_names_and_contrast(open_page: Open, plain_url: str, name: str, scheme: Scheme, width: int) -> None:
    page = open_page(plain_url + name, python=False, viewport={"width": width, "height": 800}, color_scheme=scheme)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_timeout(100)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(NAMELESS) == []


@pytest.mark.parametrize("name", PAGES)
def test_the_keyboard_reaches_everything(open_page: Open, plain_url: str, name: str) -> None:
    page = open_page(plain_url + name)
    expect(page.get_by_role("status")).to_contain_text("ready", timeout=LONG)
    page.evaluate("() => document.activeElement.blur()")
    stops = page.evaluate(
        """() => [...document.querySelectorAll("a, button, input, select, canvas[tabindex], [role=region][tabindex]")]
            .filter((n) => n.checkVisibility() && !n.disabled).length"""
    )
    reached = set()
    for _ in range(stops + 12):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("() => (document.activeElement.dataset.seen ??= String(Math.random()))"))
    assert len(reached) >= stops


@pytest.mark.parametrize("name", ["index.html", "grid_scatter_demo.html", "inference.html", "test.html", *PAGES])
def test_every_page_leads_to_them(open_page: Open, plain_url: str, name: str) -> None:
    page = open_page(plain_url + name, python=False)
    links = page.locator("nav a").evaluate_all("(nodes) => nodes.map((n) => n.getAttribute('href'))")
    assert set(PAGES) <= set(links)
    current = page.locator("nav a[aria-current=page]")
    assert (current.get_attribute("href") == name) if name != "index.html" else current.count() == 0


@pytest.mark.parametrize("name", PAGES)
def test_without_python_the_reason_is_told(open_page: Open, plain_url: str, name: str) -> None:
    page = open_page(plain_url + "index.html", allowed=["404", "Failed to load"])
    page.context.route("**/pyodide/**", lambda route: route.fulfill(status=404))
    page.goto(plain_url + name)
    expect(page.get_by_role("status")).to_contain_text("Reload the page", timeout=LONG)
