"""All pages: nothing overflows, everything has a name, both colour schemes are readable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from .conftest import Open

PAGES = ("index.html", "grid_scatter_demo.html", "inference.html", "search.html", "devices.html")
Scheme = Literal["light", "dark"]

CONTRAST = """() => {
    const parse = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
        .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (node) => {
        for (let at = node; at; at = at.parentElement) {
            const colour = parse(getComputedStyle(at).backgroundColor);
            if (colour.length < 4 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const faults = [];
    for (const node of document.querySelectorAll("body *")) {
        const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
        if (!own || !node.checkVisibility() || node.closest("svg, :disabled, .visually-hidden, .skip")) continue;
        const a = light(parse(getComputedStyle(node).color)), b = light(ground(node));
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) faults.push(`${node.tagName} "${node.textContent.trim().slice(0, 30)}": ${ratio.toFixed(2)}`);
    }
    return faults;
}"""

NAMELESS = """() => [...document.querySelectorAll("button, a, input, textarea, [role=img], progress, summary")]
    .filter((node) => !(node.getAttribute("aria-label") || node.textContent.trim() || node.labels?.length))
    .map((node) => node.outerHTML)"""


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 768, 1440])
def test_layout_names_and_contrast(
    open_page: Open,
    isolated_url: str,
    screenshot: Callable[[Page, str], Path],
    name: str,
    scheme: Scheme,
    width: int,
) -> None:
    page = open_page(isolated_url + name, python=False, viewport={"width": width, "height": 800}, color_scheme=scheme)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_timeout(100)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(NAMELESS) == []
    screenshot(page, f"{name.removesuffix('.html')}-{scheme}-{width}")


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_alive_before_python(open_page: Open, isolated_url: str, name: str) -> None:
    page = open_page(isolated_url + name, python=False)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.get_by_role("link", name="Language model").first.click()
    expect(page).to_have_url(isolated_url + "inference.html")


@pytest.mark.parametrize("name", PAGES)
def test_the_policy_forbids_what_it_should(open_page: Open, isolated_url: str, name: str) -> None:
    page = open_page(isolated_url + name, allowed=["Content Security Policy", "404"], python=False)
    inline = """() => {
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.head.append(script);
        document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.ran = true'>");
        return new Promise((resolve) => setTimeout(() => resolve(window.ran ?? "refused"), 200));
    }"""
    assert page.evaluate(inline) == "refused"
    assert page.evaluate("() => fetch('https://example.org/').then(() => 'sent', (e) => e.name)") == "TypeError"


@pytest.mark.parametrize("name", PAGES)
def test_the_keyboard_reaches_everything(open_page: Open, isolated_url: str, name: str) -> None:
    page = open_page(isolated_url + name, python=False)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    stops = page.evaluate(
        """() => [...document.querySelectorAll("a, button, input, textarea, summary")]
            .filter((n) => n.checkVisibility() && !n.disabled && n.type !== "radio").length"""
    )
    reached = set()
    for _ in range(stops + 12):
        reached.add(page.evaluate("() => (document.activeElement.dataset.seen ??= String(Math.random()))"))
        page.keyboard.press("Tab")
    assert len(reached) >= stops
