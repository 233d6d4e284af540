"""The live view: cells are lit by what their layers do, a click or a key opens a layer; on its page and on others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .conftest import Open

VIEW = (Path(__file__).parent / "live_view.js").read_text()
READY = "() => document.getElementById('status').textContent.includes('ready')"


@pytest.mark.parametrize(
    ("rows", "cols", "layers", "arrangement"),
    [(1, 3, 1, "stacked"), (25, 40, 1, "stacked"), (6, 7, 3, "stacked"), (6, 7, 3, "beside"), (10, 10, 10, "beside")],
)
def test_cells_change_with_activity_and_open(
    open_page: Open, plain_url: str, rows: int, cols: int, layers: int, arrangement: str
) -> None:
    page = open_page(plain_url + "index.html", viewport={"width": 900, "height": 1200}, allowed=["willReadFrequently"])
    options = {"rows": rows, "cols": cols, "layers": layers, "arrangement": arrangement}
    out: dict[str, Any] = page.evaluate(VIEW, options)
    assert out["count"] == rows * cols * layers
    assert out["wrong"] == []
    dark, still_dark, low, middle, bright = out["shades"]
    assert dark == still_dark
    assert len({tuple(shade) for shade in (dark, low, middle, bright)}) == 4
    assert tuple(out["infinite"]) not in {tuple(shade) for shade in out["shades"]}
    assert out["hidden"] == dark
    assert out["opened"] == out["top"]  # every cell by a click in its middle
    below = min(1, rows - 1) * cols + min(1, cols - 1)
    assert out["keyed"] == [below * layers + min(1, layers - 1), rows * cols * layers - 1, 0]
    assert out["text"].startswith("row 1, column 1")
    assert "kind 0, activity 1" in out["text"]
    assert out["frames"] <= 2  # of fifty pictures between two frames only the last is drawn
    assert out["gone"] == 0


def lit(page: Page) -> int:
    """Number of different colours on the page's canvas."""
    return page.evaluate(
        """() => {
            const canvas = document.querySelector("#live canvas");
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return new Set(new Uint32Array(data.buffer)).size;
        }"""
    )


def pictures(page: Page) -> str:
    return page.evaluate("() => document.querySelector('#live canvas').toDataURL()")


def open_layer(page: Page, index: int, kind: str) -> None:
    card = page.locator("#layer")
    expect(card.get_by_role("heading")).to_have_text(f"Layer {index}: {kind}")
    expect(card.get_by_role("img")).not_to_have_count(0)


def test_a_pulse_travels_through_a_stepped_grid(
    open_page: Open, isolated_url: str, screenshot: Callable[[Page, str], Path]
) -> None:
    page = open_page(isolated_url + "live_view.html", allowed=["willReadFrequently"])
    page.set_default_timeout(60_000)
    for name, value in (("rows", "4"), ("cols", "5"), ("layers", "3")):
        page.fill(f"#{name}", value)
    page.wait_for_function(READY)
    page.get_by_role("button", name="Step").click()
    page.wait_for_function("() => Number(document.getElementById('work').textContent.replaceAll(',', '')) > 70")
    assert page.inner_text("#count") == "60"
    assert lit(page) > 20
    before = pictures(page)
    page.wait_for_function(
        "(before) => document.querySelector('#live canvas').toDataURL() !== before", arg=before
    )  # it moves
    canvas = page.locator("#live canvas")
    canvas.focus()
    for key in ("Home", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    open_layer(page, 3, "residual")
    expect(page.locator("#layer")).to_contain_text("row 1, column 2, layer 1")
    expect(page.locator("#layer")).to_contain_text("nothing ran yet")  # no gradient: nothing learns
    page.keyboard.press("PageDown")
    page.keyboard.press("Enter")
    open_layer(page, 4, "dense")
    expect(page.locator("#layer")).to_contain_text("kernel 8×8, bias 8")
    page.select_option("#live-arrangement", "beside")
    page.select_option("#live-shown", "activity")
    page.keyboard.press("Escape")
    expect(page.get_by_role("status")).to_contain_text("Stopped")
    screenshot(page, "live-view")


def test_training_shows_gradients_and_stops(open_page: Open, plain_url: str) -> None:
    page = open_page(plain_url + "live_view.html", allowed=["willReadFrequently"])
    page.set_default_timeout(60_000)
    for name, value in (("rows", "2"), ("cols", "3"), ("layers", "1")):
        page.fill(f"#{name}", value)
    page.get_by_role("button", name="Train").click()
    expect(page.locator("#loss")).not_to_have_text("—", timeout=60_000)
    page.select_option("#live-shown", "gradient")
    canvas = page.locator("#live canvas")
    box = canvas.bounding_box()
    assert box is not None
    page.wait_for_function(
        """() => {
            const canvas = document.querySelector("#live canvas");
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return new Set(new Uint32Array(data.buffer)).size > 3;
        }"""
    )
    canvas.click(position={"x": box["width"] / 2 - 64, "y": 38})  # the first of three cells, 64 pixels wide
    open_layer(page, 0, "dense")
    expect(page.locator("#layer figure").nth(2).get_by_role("img")).to_be_visible()  # the gradient's histogram
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("status")).to_have_text("Stopped.")
    expect(page.get_by_role("button", name="Step")).to_be_enabled()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("rows", "0", "Rows"), ("cols", "2.5", "Columns"), ("layers", "20", "2000 layers; at most 2000")],
)
def test_wrong_sizes_are_told(open_page: Open, plain_url: str, field: str, value: str, words: str) -> None:
    page = open_page(plain_url + "live_view.html", allowed=["willReadFrequently"])
    page.fill(f"#{field}", value)
    if field == "layers":
        page.fill("#rows", "11")
        words = "2200 layers; at most 2000"
    page.get_by_role("button", name="Step").click()
    expect(page.get_by_role("alert")).to_contain_text(words)
    expect(page.get_by_role("button", name="Step")).to_be_enabled()


def test_looking_inside_grid_scatter(open_page: Open, isolated_url: str) -> None:
    page = open_page(isolated_url + "grid_scatter_demo.html")
    page.set_default_timeout(60_000)
    page.get_by_text("Look inside while it learns").click()
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Trained with seed 1", timeout=60_000)
    assert lit(page) > 3
    page.locator("#live canvas").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    open_layer(page, 1, "parallel")
    expect(page.locator("#layer")).to_contain_text("parallel, lstm, rnn (grid_scatter)")
