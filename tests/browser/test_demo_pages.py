"""First steps, the workbench and the all-layers page, used as a visitor uses them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Locator, Page, expect

from loom_py import build_network_from_json, load_model_from_string
from tools import make_all_layers

from ..report import row
from .conftest import Open
from .test_pages import CONTRAST, NAMELESS

PAGES = ("example.html", "test.html", "all_layers_test.html")
BOOT_MS = 90_000


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def filled(place: Locator, timeout: float = 30_000) -> str:
    """Text of a figure once it is not empty."""
    expect(place).not_to_have_text("—", timeout=timeout)
    return place.inner_text()


# --- first steps ----------------------------------------------------------------------------------------------------
def test_first_steps(open_page: Open, plain_url: str, screenshot: Callable[[Page, str], Path]) -> None:
    page = open_page(plain_url + "example.html", viewport={"width": 1280, "height": 900}, accept_downloads=True)
    press(page, "Create network")
    assert filled(page.locator("#weights"), BOOT_MS) == f"{784 * 392 + 392 + 392 * 10 + 10:,}"
    expect(page.locator("#shape")).to_have_text("784 → 392 → 10")
    expect(page.locator("#log")).to_contain_text("Layer 0: 784 → 392, 307,328 weights initialised")
    expect(page.locator("#log")).to_contain_text("Layer 1: 392 → 10, 3,920 weights initialised")

    press(page, "Run forward")
    mean = float(filled(page.locator("#mean")))
    low, high = map(float, page.locator("#range").inner_text().split(" … "))
    outputs = [float(text) for text in page.locator("#bars dd").all_inner_texts()]
    assert len(outputs) == 10
    assert (min(outputs), max(outputs)) == (low, high)
    assert mean == pytest.approx(sum(outputs) / 10, abs=1e-3)

    page.get_by_role("spinbutton", name="Epochs").fill("8")
    press(page, "Train")
    expect(page.locator("#epoch")).to_have_text("8 / 8", timeout=60_000)
    losses = [float(v) for v in re.findall(r"Epoch \d/8: loss ([\d.]+)", page.locator("#log").inner_text())]
    assert len(losses) == 8
    assert losses[-1] < losses[0] / 2, losses

    press(page, "Save")
    stored = filled(page.locator("#stored"), 60_000)
    assert stored.endswith("MB"), stored
    row("Pages in Chromium", f"784 → 392 → 10 as JSON {page.locator('#size').inner_text()}, stored {stored}")
    press(page, "Load")
    expect(page.locator("#same")).to_have_text("identical", timeout=60_000)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    saved = load_model_from_string(download.value.path().read_text(), "first_steps")
    assert saved.get_total_parameters() == 784 * 392 + 392 + 392 * 10 + 10

    page.reload()  # it is still there
    press(page, "Load")
    expect(page.locator("#same")).to_have_text("restored", timeout=BOOT_MS)
    expect(page.locator("#shape")).to_have_text("784 → 392 → 10")
    press(page, "Show methods")
    network = build_network_from_json({"layers": [{"type": "dense", "input_size": 1, "output_size": 1}]})
    expect(page.locator("#methods tr")).to_have_count(len(network.list_methods()))
    expect(page.locator("#methods")).to_contain_text("ForwardCPU(input []float32) ([]float32, time.Duration)")
    press(page, "Run forward")
    filled(page.locator("#mean"))
    screenshot(page, "example")


def test_full_local_storage_is_reported(open_page: Open, plain_url: str) -> None:
    page = open_page(plain_url + "example.html")
    page.evaluate("localStorage.setItem('filler', 'x'.repeat(4_500_000))")
    press(page, "Create network")
    filled(page.locator("#weights"), BOOT_MS)
    press(page, "Save")
    expect(page.locator("#error")).to_contain_text("no room", timeout=60_000)
    expect(page.locator("#stored")).to_have_text("no room")
    expect(page.get_by_role("link", name="Download")).to_be_visible()
    page.evaluate("localStorage.removeItem('filler')")
    press(page, "Save")
    expect(page.locator("#stored")).to_contain_text("MB", timeout=60_000)
    expect(page.locator("#error")).to_be_hidden()


def test_wrong_numbers_and_wrong_order_are_told(open_page: Open, plain_url: str) -> None:
    page = open_page(plain_url + "example.html")
    press(page, "Run forward")
    expect(page.locator("#error")).to_contain_text("no network yet", timeout=BOOT_MS)
    press(page, "Load")
    expect(page.locator("#error")).to_contain_text("Nothing is saved")
    for text in ("", "0", "1.5", "5000"):
        page.get_by_role("spinbutton", name="Inputs").fill(text)
        press(page, "Create network")
        expect(page.locator("#error")).to_contain_text("Inputs: expected")
        expect(page.get_by_role("spinbutton", name="Inputs")).to_be_focused()
    page.get_by_role("spinbutton", name="Inputs").fill("20")
    page.get_by_role("spinbutton", name="Rows").fill("2")
    press(page, "Create network")
    expect(page.locator("#shape")).to_have_text("20 → 392 → 392 → 392 → 10")
    expect(page.locator("#error")).to_be_hidden()


# --- the workbench --------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def opened_workbench(open_module_page: Open, isolated_url: str) -> Page:
    return open_module_page(isolated_url + "test.html", viewport={"width": 1280, "height": 900})


@pytest.fixture
def workbench(opened_workbench: Page) -> Page:
    """The original text, and a network of it."""
    create_original(opened_workbench)
    return opened_workbench


def create_original(page: Page) -> None:
    press(page, "Original text")
    page.evaluate("() => document.getElementById('log').replaceChildren()")
    press(page, "Create")
    expect(page.locator("#log")).to_contain_text("Created a network of 3 layers, 134 numbers", timeout=BOOT_MS)


def test_the_workbench_answers_and_trains(workbench: Page, screenshot: Callable[[Page, str], Path]) -> None:
    page = workbench
    answer = page.locator("#result")
    press(page, "Get methods")
    expect(answer).to_contain_text("ForwardCPU([]float32) → []float32, time.Duration")
    press(page, "List methods")
    expect(answer).to_contain_text("TotalLayers, Train,")
    press(page, "Network info")
    expect(answer).to_contain_text('"total_layers": 3')
    press(page, "Forward")
    expect(answer).to_contain_text("output [")
    output = re.findall(r"[\d.]+", answer.inner_text().split("output")[1])
    assert len(output) == 2

    for name, value in (("Epochs", "300"), ("Learning rate", "0.2"), ("Samples", "24")):
        page.get_by_role("spinbutton", name=name).fill(value)
    press(page, "Train")
    expect(page.locator("#log")).to_contain_text("Validation on 40 new samples", timeout=60_000)
    expect(page.locator("#epoch")).to_have_text("300 / 300")
    assert float(page.locator("#loss").inner_text()) < 0.3

    press(page, "Run grid scatter")
    expect(page.locator("#grid-rows .right")).to_have_count(4, timeout=60_000)
    before, after = (float(filled(page.locator(f"#grid-{end}"))) for end in ("before", "after"))
    assert after < 0.002 < 0.2 < before
    row("Pages in Chromium", f"grid scatter on the workbench: {page.locator('#grid-time').inner_text()}")
    screenshot(page, "test")


@pytest.mark.parametrize(
    ("old", "new", "line", "words", "selected"),
    [
        ('"output_size": 4,', '"output_size": "four",', 8, "layers[1].output_size", '"four"'),
        ('"type": "dense", "input_size": 4', '"type": "dens", "input_size": 4', 9, "Did you mean 'dense'?", '"dens"'),
        ('"input_size": 8, "output_size": 4', '"input_size": 9, "output_size": 4', 8, "takes 9 values", "{ "),
        ('"layers_per_cell": 3,', '"layers_per_cell": 4,', 6, "layer count mismatch", "[\n"),
        ('"batch_size": 1,', '"batch_size": 1', 3, "invalid JSON", '"'),
    ],
)
def test_mistakes_are_shown_where_they_stand(
    workbench: Page, old: str, new: str, line: int, words: str, selected: str
) -> None:
    page = workbench
    editor = page.get_by_label("Configuration (JSON)")
    text = editor.input_value()
    assert old in text
    editor.fill(text.replace(old, new))
    press(page, "Create")
    expect(page.locator("#config-error")).to_contain_text(words)
    expect(page.locator("#config-error")).to_contain_text(f"Line {line}:")
    expect(editor).to_be_focused()
    assert editor.get_attribute("aria-invalid") == "true"
    selection = editor.evaluate("(e) => e.value.slice(e.selectionStart, e.selectionEnd)")
    assert selection.startswith(selected), selection
    press(page, "Forward")  # the network from before still works
    expect(page.locator("#result")).to_contain_text("output [")
    create_original(page)
    expect(page.locator("#config-error")).to_be_hidden()


def test_training_on_the_workbench_can_be_stopped(workbench: Page) -> None:
    page = workbench
    page.get_by_role("spinbutton", name="Epochs").fill("100000")
    press(page, "Train")
    expect(page.locator("#epoch")).to_contain_text("/ 100000")
    page.keyboard.press("Escape")
    expect(page.locator("#log")).to_contain_text("Stopped; the network keeps what it learned.")
    expect(page.locator("#right")).to_contain_text("of 40")


def test_names_from_the_outside_are_text(workbench: Page) -> None:
    page = workbench
    evil = "<img src=x onerror=window.ran=1>"
    page.get_by_label("Configuration (JSON)").fill(json.dumps({"layers": [{"type": evil}]}))
    press(page, "Create")
    expect(page.locator("#config-error")).to_contain_text(evil)
    expect(page.locator("#log")).to_contain_text(evil)
    assert page.locator("#config-error img, #log img").count() == 0


# --- all layers -----------------------------------------------------------------------------------------------------
def passed(page: Page, count: int = 5) -> None:
    expect(page.locator("#checks .right")).to_have_count(count, timeout=BOOT_MS)
    expect(page.locator("#error")).to_be_hidden()


def test_all_layers(open_page: Open, isolated_url: str, screenshot: Callable[[Page, str], Path]) -> None:
    page = open_page(isolated_url + "all_layers_test.html", viewport={"width": 1280, "height": 900})
    press(page, "Run the test")
    passed(page)
    expect(page.locator("#count")).to_have_text(str(len(make_all_layers.CONFIG["layers"])))
    expect(page.locator("#outputs .right")).to_have_count(make_all_layers.SAMPLES)
    expect(page.locator("#layers .wrong")).to_have_count(0)
    expect(page.locator("#step-reload")).to_contain_text("largest difference 0")
    row("Pages in Chromium", f"all layers: {page.locator('#step-forward span').inner_text()}")
    screenshot(page, "all_layers")


DROP = """(drops) => {
    for (const files of drops) {
        const data = new DataTransfer();
        for (const [name, text] of files) data.items.add(new File([text], name));
        const options = { dataTransfer: data, bubbles: true, cancelable: true };
        for (const type of ["dragover", "drop"]) {
            document.getElementById("drop").dispatchEvent(new DragEvent(type, options));
        }
        data.items.clear();
    }
}"""


def test_own_files_dropped_or_chosen(open_page: Open, plain_url: str, tmp_path: Path) -> None:
    page = open_page(plain_url + "all_layers_test.html")
    layers = [{"type": "dense", "input_size": 3, "output_size": 4}, {"type": "dense", "output_size": 2}]
    network = build_network_from_json({"layers": layers}, seed=3)
    bundle = network.save_model_to_string("mine")
    page.evaluate(DROP, [[["mine.json", bundle]]])
    passed(page)
    expect(page.locator("#model")).to_have_text("mine")
    expect(page.locator("#chosen")).to_contain_text("made-up inputs")

    # another while that runs; dropped items do not outlive their event
    second = network.save_model_to_string("another")
    page.evaluate(DROP, [[["mine.json", bundle]], [["another.json", second]]])
    expect(page.locator("#model")).to_have_text("another")
    passed(page)

    files = [tmp_path / name for name in ("mine.json", "inputs.txt", "outputs.txt")]
    files[0].write_text(bundle)
    (tmp_path / "inputs.txt").write_text("0.1 0.2 0.3\n")
    (tmp_path / "outputs.txt").write_text("5 5\n")  # not its output
    page.get_by_label("Drop files here").set_input_files(files)
    expect(page.locator("#step-forward .wrong")).to_have_count(1)
    expect(page.locator("#error")).to_contain_text("the outputs differ")

    right = network.forward_cpu([0.1, 0.2, 0.3])[0]
    (tmp_path / "outputs.txt").write_text(" ".join(map(str, right)))
    page.get_by_label("Drop files here").set_input_files(files)
    passed(page)


@pytest.fixture(scope="module")
def layers_page(open_module_page: Open, plain_url: str) -> Page:
    return open_module_page(plain_url + "all_layers_test.html")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("notes.txt", "1 2 3", "no bundle among these files"),
        ("broken.json", "{", "no LOOM bundle"),
        ("empty.json", '{"type": "modelhost/bundle", "version": 1, "models": []}', "no LOOM bundle"),
        ("cut.json", '{"type": "modelhost/bundle", "version": 1, "models": [{"id": "a"}]}', "models[0]"),
    ],
)
def test_wrong_files_are_told(layers_page: Page, name: str, text: str, words: str) -> None:
    page = layers_page
    page.evaluate("() => document.getElementById('error').replaceChildren()")
    page.evaluate(DROP, [[[name, text]]])
    expect(page.locator("#error")).to_contain_text(words, timeout=BOOT_MS)


def test_the_files_are_what_the_tool_writes() -> None:
    """The network is the tool's, and Python computes the numbers in the files."""
    folder = make_all_layers.FOLDER
    network = load_model_from_string((folder / "test.json").read_text("utf-8"), make_all_layers.MODEL_ID)
    fresh = build_network_from_json(make_all_layers.CONFIG, seed=1)
    assert [layer.to_json() for layer in network.layers] == [layer.to_json() for layer in fresh.layers]
    inputs, outputs = (
        [[float(v) for v in line.split()] for line in (folder / f"{name}.txt").read_text().splitlines()]
        for name in ("inputs", "outputs")
    )
    for x, expected in zip(inputs, outputs, strict=True):
        network.reset_state()
        assert network.forward(x)[0] == pytest.approx(expected, abs=1e-6)
    kinds = {layer.kind for layer in network.layers}
    assert kinds >= {"embedding", "multi_head_attention", "conv2d", "conv1d", "rnn", "lstm", "swiglu", "parallel"}
    assert len(make_all_layers.VARIANTS) == 10
    assert len({round(row[0], 2) for row in outputs}) == make_all_layers.SAMPLES


# --- all three ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 768, 1440])
def test_layout_names_and_contrast(
    open_page: Open, plain_url: str, name: str, scheme: Literal["light", "dark"], width: int
) -> None:
    page = open_page(plain_url + name, python=False, viewport={"width": width, "height": 800}, color_scheme=scheme)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(NAMELESS) == []


@pytest.mark.parametrize("name", PAGES)
def test_the_keyboard_reaches_everything(open_page: Open, plain_url: str, name: str) -> None:
    page = open_page(plain_url + name, python=False)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    stops = page.evaluate(
        """() => [...document.querySelectorAll("a, button, input, textarea")]
            .filter((n) => n.checkVisibility() && !n.disabled).length"""
    )
    reached = set()
    for _ in range(stops + 12):
        reached.add(page.evaluate("() => (document.activeElement.dataset.seen ??= String(Math.random()))"))
        page.keyboard.press("Tab")
    assert len(reached) >= stops


@pytest.mark.parametrize("name", PAGES)
def test_every_page_leads_to_them(open_page: Open, plain_url: str, name: str) -> None:
    page = open_page(plain_url + "index.html", python=False)
    page.locator(f'nav a[href="{name}"]').click()
    expect(page.get_by_role("navigation").locator("[aria-current=page]")).to_have_attribute("href", name)
