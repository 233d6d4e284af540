"""The language-model page on the real SmolLM2, used as a visitor uses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, Route, expect

from loom_py.formats.source import FileSource
from loom_py.models.convert import convert_gguf

from ..report import row
from . import tiny_checkpoint
from .conftest import Open

PAGE = "inference.html"
BOOT_MS = 60_000
LOAD_MS = 240_000
ANSWER_MS = 120_000
GREEDY = json.loads((Path(__file__).parent.parent / "data" / "smollm2_greedy.json").read_text())["rows"]
DESKTOP = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def gguf(site: Path) -> Path:
    """The site's own model."""
    paths = sorted((site / "models").rglob("*.gguf"))
    if not paths:
        pytest.fail("the site has no GGUF model; run ./build_pyodide.sh build without LOOM_MODEL=none.")
    return paths[0]


@pytest.fixture(scope="module")
def safetensors(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model in the Hugging Face layout, as `python -m loom_py convert` writes it."""
    directory = tmp_path_factory.mktemp("converted") / "SmolLM2"
    with closing(FileSource(gguf)) as source:
        convert_gguf(source, directory)
    return directory


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four files of a tiny checkpoint."""
    directory = tiny_checkpoint.write(tmp_path_factory.mktemp("tiny"))
    return [directory / name for name in tiny_checkpoint.FILES]


@pytest.fixture(scope="module")
def loaded(open_module_page: Open, any_url: str, gguf: Path) -> Page:
    """The page with the site's model loaded."""
    page = open_module_page(any_url + PAGE, viewport=DESKTOP)
    expect(page.locator(".choice").first.get_by_role("radio")).to_be_checked()
    page.get_by_role("button", name="Load the model").click()
    wait_ready(page)
    row("SmolLM2 in Chromium", page.locator("#status").inner_text())
    return page


@pytest.fixture
def page(loaded: Page) -> Page:
    """`loaded`, with a new conversation and the initial settings."""
    loaded.locator("#clear").click()
    settings(loaded)
    mode(loaded, "Chat")
    return loaded


def wait_ready(page: Page) -> None:
    expect(page.locator("#status")).to_contain_text("Ready after", timeout=BOOT_MS + LOAD_MS)
    expect(page.locator("#load-error")).to_be_hidden()


def settings(page: Page, *, temperature: str = "0.2", tokens: str = "256", seed: str = "1") -> None:
    page.get_by_label("Temperature").fill(temperature)
    page.get_by_label("Longest answer").fill(tokens)
    page.get_by_role("spinbutton", name="Seed").fill(seed)


def mode(page: Page, name: str) -> None:
    page.locator(".segments").get_by_text(name).click()


def ask(page: Page, text: str) -> None:
    page.locator("#prompt").fill(text)
    page.locator("#send").click()


def wait_answer(page: Page) -> str:
    """The newest answer, once it is complete."""
    expect(page.locator("#send")).to_be_visible(timeout=ANSWER_MS)
    expect(page.locator("#error")).to_be_hidden()
    return "".join(page.locator(".model-text").last.locator(".token").all_text_contents())


def token_ids(page: Page) -> list[int]:
    return page.locator(".model-text").last.locator(".token").evaluate_all("spans => spans.map((s) => +s.dataset.id)")


def test_the_capital_of_france(page: Page, screenshot: Callable[[Page, str], Path]) -> None:
    ask(page, "What is the capital of France?")
    expect(page.locator("#stop")).to_be_visible()
    assert "Paris" in wait_answer(page)
    stats = page.locator("#stats").inner_text()
    assert "tokens/s" in stats
    assert "first token after" in stats
    ask(page, "Name three things to see there.")
    assert wait_answer(page).strip()
    row("SmolLM2 in Chromium", f"chat: {stats}")
    page.locator("#settings summary").click()
    screenshot(page, "inference")
    page.locator("#settings summary").click()


def test_tokens_appear_as_they_come(page: Page) -> None:
    page.evaluate(
        """() => {
            window.seen = new Set();
            new MutationObserver(() => window.seen.add(document.querySelectorAll(".token").length))
                .observe(document.getElementById("log"), { childList: true, subtree: true });
        }"""
    )
    ask(page, "Name three colours.")
    wait_answer(page)
    count = page.locator(".token").count()
    assert count > 3
    assert len(page.evaluate("[...window.seen]")) >= count - 1


@pytest.mark.parametrize("greedy", GREEDY, ids=lambda r: r["prompt"][:20])
def test_greedy_through_gguf_is_torchs_token_for_token(page: Page, greedy: dict[str, Any]) -> None:
    complete_greedily(page, greedy)
    row("SmolLM2 in Chromium", f"greedy, GGUF: {page.locator('#stats').inner_text()}")


def test_greedy_through_safetensors_is_torchs_token_for_token(
    open_page: Open, isolated_url: str, safetensors: Path
) -> None:
    page = open_page(isolated_url + PAGE, viewport=DESKTOP)
    page.get_by_role("radio", name="Your computer").check()
    page.get_by_label("Files").set_input_files(sorted(p for p in safetensors.iterdir() if p.is_file()))
    page.get_by_role("button", name="Load the model").click()
    wait_ready(page)
    row("SmolLM2 in Chromium", f"safetensors, float32: {page.locator('#status').inner_text()}")
    for greedy in GREEDY:
        complete_greedily(page, greedy)
    mode(page, "Chat")
    ask(page, "What is the capital of France?")
    assert "Paris" in wait_answer(page)


def complete_greedily(page: Page, greedy: dict[str, Any]) -> None:
    settings(page, temperature="0", tokens="32")
    mode(page, "Complete")
    ask(page, greedy["prompt"])
    text = wait_answer(page)
    assert token_ids(page) == greedy["generated"]
    assert text == greedy["text"].replace("<|im_end|>", "")


@pytest.mark.parametrize("how", ["button", "escape"])
def test_stop_mid_sentence(page: Page, how: str) -> None:
    ask(page, "Write a long story about a lighthouse keeper.")
    expect(page.locator(".token").nth(4)).to_be_attached(timeout=ANSWER_MS)
    if how == "button":
        page.get_by_role("button", name="Stop").click()
    else:
        page.keyboard.press("Escape")
    expect(page.locator(".end")).to_have_text("Stopped.")
    expect(page.locator("#send")).to_be_visible()
    count = page.locator(".token").count()
    page.wait_for_timeout(500)
    assert page.locator(".token").count() == count < 200
    ask(page, "What is the capital of France?")
    assert "Paris" in wait_answer(page)


def test_the_longest_answer_is_kept_to(page: Page) -> None:
    settings(page, tokens="5")
    ask(page, "Count to one hundred.")
    wait_answer(page)
    assert page.locator(".token").count() == 5
    expect(page.locator(".end")).to_have_text("Longest answer reached.")


def test_a_wrong_setting_is_reported(page: Page) -> None:
    settings(page, tokens="0")
    ask(page, "Hello")
    expect(page.locator("#error")).to_contain_text("whole number from 1 to 4096")
    expect(page.get_by_label("Longest answer")).to_be_focused()


def test_model_text_is_never_markup(page: Page) -> None:
    mode(page, "Complete")
    settings(page, temperature="0", tokens="8")
    ask(page, '<img src="x" onerror="alert(1)"><b>bold</b>')
    wait_answer(page)
    assert page.locator(".log img, .log b").count() == 0
    expect(page.locator(".given")).to_have_text('<img src="x" onerror="alert(1)"><b>bold</b>')


BAD_FILES = {
    "not-a-model.gguf": b"this is not a model at all" * 10,
    "empty.gguf": b"",
    "cut.gguf": b"GGUF\x03\x00\x00\x00" + b"\xff" * 16,
    "<b>odd</b> name.gguf": b"GGUF",
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named_and_the_loaded_model_keeps_working(page: Page, name: str) -> None:
    page.get_by_role("radio", name="Your computer").check()
    file = FilePayload(name=name, mimeType="application/octet-stream", buffer=BAD_FILES[name])
    page.get_by_label("Files").set_input_files([file])
    page.get_by_role("button", name="Load another").click()
    expect(page.locator("#load-error")).to_contain_text(name, timeout=BOOT_MS)
    assert page.locator("#load-error *").count() == 0
    expect(page.locator("#model-name")).to_contain_text("SmolLM2")
    ask(page, "What is the capital of France?")
    assert "Paris" in wait_answer(page)


def test_files_that_do_not_belong_together(page: Page, tiny: list[Path]) -> None:
    page.get_by_role("radio", name="Your computer").check()
    page.get_by_label("Files").set_input_files(tiny[:2])
    page.get_by_role("button", name="Load another").click()
    expect(page.locator("#load-error")).to_contain_text(".safetensors", timeout=BOOT_MS)


def test_a_dropped_checkpoint_loads(open_page: Open, isolated_url: str, tiny: list[Path]) -> None:
    page = open_page(isolated_url + PAGE)
    files = [[path.name, list(path.read_bytes())] for path in tiny]
    page.evaluate(
        """(files) => {
            const data = new DataTransfer();
            for (const [name, bytes] of files) data.items.add(new File([new Uint8Array(bytes)], name));
            const event = new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
            document.getElementById("drop").dispatchEvent(event);
        }""",
        files,
    )
    wait_ready(page)
    ask(page, "Hello")
    wait_answer(page)


def test_a_site_without_a_model_says_how_to_get_one(open_page: Open, isolated_url: str) -> None:
    page = open_page(isolated_url + PAGE)
    page.route("**/models/index.json", lambda route: route.fulfill(json={"models": []}))
    page.reload()
    expect(page.locator("#site-models")).to_contain_text("no model of its own")
    expect(page.get_by_role("radio", name="Hugging Face hub")).to_be_checked()
    expect(page.get_by_label("Repository")).to_have_value("HuggingFaceTB/SmolLM2-135M-Instruct")
    ask(page, "Hello?")
    expect(page.locator("#error")).to_contain_text("no model yet")
    expect(page.locator("#prompt")).to_have_value("Hello?")


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def serve_hub(page: Page, tiny: list[Path], requests: list[str]) -> None:
    """A hub that holds one repository."""
    files = {path.name: path.read_bytes() for path in tiny}
    listing = [{"rfilename": name, "size": len(data)} for name, data in files.items()]
    headers = {"Access-Control-Allow-Origin": "*"}

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix("https://huggingface.co")
        requests.append(path)
        name = path.rsplit("/", 1)[-1]
        if path.startswith("/api/models/someone/tiny/revision/"):
            route.fulfill(headers=headers, json={"sha": COMMIT, "siblings": listing})
        elif name in files and path.startswith(f"/someone/tiny/resolve/{COMMIT}/"):
            route.fulfill(headers=headers, body=files[name])
        else:
            route.fulfill(status=404, headers=headers)

    page.context.route("https://huggingface.co/**", answer)


def test_the_hub_is_queried_once_and_at_one_commit(open_page: Open, isolated_url: str, tiny: list[Path]) -> None:
    page = open_page(isolated_url + PAGE, allowed=["https://huggingface.co/"])
    requests: list[str] = []
    serve_hub(page, tiny, requests)
    page.get_by_role("radio", name="Hugging Face hub").check()
    page.get_by_label("Repository").fill("someone/tiny")
    page.get_by_role("button", name="Load the model").click()
    wait_ready(page)
    assert requests.pop(0) == "/api/models/someone/tiny/revision/main?blobs=true"
    assert sorted(line.rsplit("/", 1)[-1] for line in requests) == sorted(tiny_checkpoint.FILES)
    requests.clear()
    page.get_by_role("button", name="Load another").click()
    expect(page.locator("#load")).to_be_enabled(timeout=BOOT_MS)
    wait_ready(page)
    assert len(requests) == 1  # the files are kept by the browser


def test_where_the_time_goes(page: Page) -> None:
    panel = page.locator("#profile")
    panel.get_by_role("heading", name="Where the time goes").click()
    panel.get_by_role("button", name="Measure").click()
    table = panel.get_by_role("region", name="Times of kernels")
    expect(table).to_be_visible(timeout=ANSWER_MS)
    rows = table.locator("tbody tr")
    kernels = [text.split("\n")[0] for text in rows.locator("th").all_inner_texts()]
    assert {"norm_gate_up", "norm_linear", "linear_add", "attention", "sample"} <= set(kernels)
    shares = [float(text.removesuffix(" %")) for text in rows.locator("td:nth-child(4)").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    expect(panel.locator("#profile-note")).to_contain_text("On simd")
    expect(panel.get_by_role("button", name="Measure")).to_be_enabled()
    panel.get_by_role("heading", name="Where the time goes").click()


def test_who_chooses_before_the_list_is_there_keeps_the_choice(open_page: Open, isolated_url: str) -> None:
    page = open_page(isolated_url + PAGE)
    held: list[Route] = []
    page.route("**/models/index.json", lambda route: held.append(route))
    with page.expect_request("**/models/index.json"):
        page.reload()
    hub = page.get_by_role("radio", name="Hugging Face hub")
    hub.check()
    file = {"name": "m.gguf", "size": 5, "sha256": "0" * 64}
    held[0].fulfill(json={"models": [{"name": "m", "title": "Late", "license": "", "source": "", "files": [file]}]})
    expect(page.get_by_text("Late")).to_be_visible()
    expect(hub).to_be_checked()


@pytest.fixture(scope="module")
def hub_page(open_module_page: Open, isolated_url: str, tiny: list[Path]) -> Page:
    """The page with the hub chosen, and no model."""
    page = open_module_page(isolated_url + PAGE, allowed=["https://huggingface.co/", "404"])
    serve_hub(page, tiny, [])
    page.get_by_role("radio", name="Hugging Face hub").check()
    return page


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("someone/missing", "answered 404"),
        ("not a name", "is not the name of a model"),
        ("../../etc", "is not the name"),
    ],
)
def test_a_wrong_repository_is_reported(hub_page: Page, name: str, message: str) -> None:
    page = hub_page
    page.evaluate("() => document.getElementById('load-error').replaceChildren()")
    page.get_by_label("Repository").fill(name)
    page.get_by_role("button", name="Load the model").click()
    expect(page.locator("#load-error")).to_contain_text(message, timeout=BOOT_MS)


def test_a_damaged_download_is_refused(open_page: Open, isolated_url: str) -> None:
    page = open_page(isolated_url + PAGE)
    file = {"name": "m.gguf", "size": 5, "sha256": "0" * 64}
    listing = {"models": [{"name": "m", "title": "Damaged", "license": "", "source": "", "files": [file]}]}
    page.route("**/models/index.json", lambda route: route.fulfill(json=listing))
    page.context.route("**/models/m/m.gguf", lambda route: route.fulfill(body=b"hello"))
    page.reload()
    page.get_by_role("button", name="Load the model").click()
    expect(page.locator("#load-error")).to_contain_text("m.gguf: the file's SHA-256 is", timeout=BOOT_MS)


def test_loading_can_be_cancelled(open_page: Open, isolated_url: str, gguf: Path) -> None:
    page = open_page(isolated_url + PAGE)
    expect(page.locator("#status")).to_contain_text("is ready", timeout=BOOT_MS)
    page.get_by_role("button", name="Load the model").click()
    expect(page.locator("#status")).to_contain_text("MB", timeout=BOOT_MS)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#status")).to_have_text("Loading was cancelled.")
    expect(page.locator("#load-error")).to_be_hidden()
    page.get_by_role("button", name="Load the model").click()
    wait_ready(page)
