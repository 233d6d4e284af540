"""The grid-scatter page, used as a visitor uses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from ..report import row
from .conftest import Open

PAGE = "grid_scatter_demo.html"
BOOT_MS = 60_000
TRAIN_MS = 60_000


@pytest.fixture(scope="module")
def page(open_module_page: Open, isolated_url: str) -> Page:
    """Each test trains anew here."""
    size: ViewportSize = {"width": 1280, "height": 900}
    return open_module_page(isolated_url + PAGE, viewport=size, accept_downloads=True)


@pytest.fixture(scope="module")
def slow_page(open_module_page: Open, isolated_url: str) -> Page:
    """On NumPy: slow enough to be stopped and used meanwhile."""
    return open_module_page(isolated_url + PAGE + "?device=numpy")


def train(page: Page, seed: int) -> float:
    """Train with a seed to the end; the final loss."""
    page.evaluate("() => document.getElementById('status').replaceChildren()")  # it may tell of the same seed already
    page.get_by_role("spinbutton", name="Seed").fill(str(seed))
    page.get_by_role("button", name="Train").click()
    expect(page.locator("#status")).to_contain_text(f"Trained with seed {seed}", timeout=BOOT_MS + TRAIN_MS)
    expect(page.locator("#score")).not_to_have_text("—")
    return float(page.locator("#loss").get_attribute("data-value") or "nan")


def save_and_reload(page: Page) -> None:
    """Save, reload, and check that nothing differs."""
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#size")).to_contain_text("kB")
    page.get_by_role("button", name="Reload and compare").click()
    expect(page.locator("#difference")).to_have_text("0")
    expect(page.locator("#verdict")).to_have_text("identical, bit for bit")


def test_ten_seeds(page: Page, screenshot: Callable[[Page, str], Path]) -> None:
    losses = {}
    for seed in range(1, 11):
        losses[seed] = train(page, seed)
        assert losses[seed] < 0.002, losses
        expect(page.locator("#predictions .right")).to_have_count(4)
        expect(page.locator("#score")).to_have_text("100 / 100")
        save_and_reload(page)
    expect(page.locator("#epoch")).to_have_text("800 / 800")
    row("Grid scatter in Chromium", "final losses, seeds 1…10: " + ", ".join(f"{v:.6f}" for v in losses.values()))
    row("Grid scatter in Chromium", f"the last of them: {page.locator('#status').inner_text()}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    bundle = json.loads(download.value.path().read_text())
    assert bundle["type"] == "modelhost/bundle"
    screenshot(page, "grid_scatter")


def test_a_seed_gives_the_same_network_again(page: Page, open_page: Open, plain_url: str) -> None:
    other = open_page(plain_url + PAGE)  # with and without isolation
    assert train(page, 42) == train(other, 42) == train(page, 42)
    assert page.evaluate("crossOriginIsolated") is True
    assert other.evaluate("crossOriginIsolated") is False


ANSWERS = """() => {
    window.answers = [];
    document.addEventListener("click", (event) => {
        if (!event.target.closest("#dice")) return;
        const painted = () => window.answers.push(performance.now() - event.timeStamp);
        requestAnimationFrame(() => setTimeout(painted));
    });
}"""


def test_buttons_answer_while_training(slow_page: Page) -> None:
    """From the event to the frame after the handlers, in a whole training run and on the same page at rest."""
    page = slow_page
    train(page, 1)
    page.evaluate(ANSWERS)
    for _ in range(9):
        page.locator("#dice").click(delay=5)
    page.wait_for_function("window.answers.length === 9")
    at_rest = sorted(page.evaluate("window.answers.splice(0)"))[4]
    page.get_by_role("button", name="Train").click()
    expect(page.locator("#stop")).to_be_enabled()
    began = page.evaluate("performance.now()")
    seeds = set()
    while page.locator("#stop").is_enabled():
        page.locator("#dice").click(delay=5)
        seeds.add(page.get_by_role("spinbutton", name="Seed").input_value())
    training = page.evaluate("performance.now()") - began
    answers = sorted(page.evaluate("window.answers"))
    assert len(answers) >= 5
    assert len(seeds) >= 5
    median = answers[len(answers) // 2]
    row(
        "Grid scatter in Chromium",
        f"a button's answer while training: median {median:.0f} ms, longest {answers[-1]:.0f} ms of {len(answers)}; "
        f"at rest {at_rest:.0f} ms",
    )
    assert median < max(100, 5 * at_rest), answers
    assert answers[-1] < training / 2, (answers, training)


@pytest.mark.parametrize("how", ["button", "escape"])
def test_stop_leaves_a_usable_network(slow_page: Page, how: str) -> None:
    page = slow_page
    page.get_by_role("button", name="Train").click()
    expect(page.locator("#stop")).to_be_enabled(timeout=BOOT_MS)
    page.wait_for_function(
        "() => { const at = parseInt(document.getElementById('epoch').textContent); return at > 0 && at < 800; }"
    )
    if how == "button":
        page.get_by_role("button", name="Stop").click()
    else:
        page.keyboard.press("Escape")
    expect(page.locator("#status")).to_contain_text("Stopped after epoch")
    epoch = int(page.locator("#epoch").inner_text().split()[0])
    assert 0 < epoch < 800
    assert f"Stopped after epoch {epoch};" in page.locator("#status").inner_text()
    expect(page.locator("#predictions td").nth(1)).not_to_have_text("—")
    save_and_reload(page)
    assert train(page, 2) < 0.002


def test_a_wrong_seed_is_reported_and_nothing_changes(page: Page) -> None:
    for text in ("", "-1", "1.5", "4294967296"):
        page.get_by_role("spinbutton", name="Seed").fill(text)
        page.get_by_role("button", name="Train").click()
        expect(page.locator("#error")).to_contain_text("whole number")
        expect(page.get_by_role("spinbutton", name="Seed")).to_be_focused()
    assert train(page, 1) < 0.002
    expect(page.locator("#error")).to_be_hidden()


def test_the_curve_is_drawn(open_page: Open, isolated_url: str) -> None:
    page = open_page(isolated_url + PAGE, allowed=["willReadFrequently"])

    def painted() -> int:
        """Pixels of the curve's colour."""
        return page.evaluate(
            """() => {
                const canvas = document.querySelector("#chart canvas");
                const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                let count = 0;
                for (let i = 0; i < data.length; i += 4) count += data[i] - data[i + 2] > 60 && data[i + 3] > 128;
                return count;
            }"""
        )

    assert painted() == 0
    train(page, 1)
    page.wait_for_timeout(100)
    assert painted() > 500
