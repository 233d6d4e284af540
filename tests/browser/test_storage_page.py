"""Storage as a visitor meets it: the list in the page, the real model offline, and what loading costs in memory."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from ..report import row
from . import tiny_checkpoint
from .conftest import FLAGS, Open
from .test_inference import BOOT_MS, LOAD_MS, PAGE, ask, serve_hub, wait_answer, wait_ready

MB = 1_000_000
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four files of a tiny checkpoint."""
    directory = tiny_checkpoint.write(tmp_path_factory.mktemp("tiny"))
    return [directory / name for name in tiny_checkpoint.FILES]


def load_from_hub(page: Page, tiny: list[Path]) -> None:
    serve_hub(page, tiny, [])
    page.get_by_role("radio", name="Hugging Face hub").check()
    page.get_by_label("Repository").fill("someone/tiny")
    page.locator("#load").click()


def test_what_is_kept_is_listed_and_can_be_removed(open_page: Open, plain_url: str, tiny: list[Path]) -> None:
    page = open_page(plain_url + PAGE, allowed=["https://huggingface.co/"])
    load_from_hub(page, tiny)
    wait_ready(page)
    kept = page.get_by_role("region", name="Kept in this browser")
    expect(kept.get_by_role("listitem")).to_contain_text("someone/tiny")
    expect(kept.get_by_role("status")).to_contain_text("on disk")
    kept.get_by_role("button", name="Remove someone/tiny").press("Enter")
    expect(kept.get_by_role("status")).to_contain_text("someone/tiny was removed")
    expect(kept.get_by_role("listitem")).to_have_count(0)
    expect(page.get_by_role("heading", name="Kept in this browser")).to_be_focused()
    ask(page, "Hello")  # the loaded model no longer needs its files
    wait_answer(page)


def test_a_full_disk_is_a_question_and_not_a_failure(open_page: Open, plain_url: str, tiny: list[Path]) -> None:
    page = open_page(plain_url + PAGE, allowed=["https://huggingface.co/"])
    full = "StorageManager.prototype.estimate = async () => ({ usage: 100, quota: 1100000 });\n"
    script = page.request.get(plain_url + "worker.js").text()
    page.context.route("**/worker.js", lambda route: route.fulfill(content_type="text/javascript", body=full + script))
    page.reload()
    load_from_hub(page, tiny)
    expect(page.locator("#load-error")).to_contain_text("storage has", timeout=BOOT_MS)
    page.get_by_role("button", name="Load without keeping it").click()
    wait_ready(page)
    expect(page.locator("#room")).to_be_hidden()
    expect(page.locator("#kept")).to_be_hidden()


def test_a_folder_is_searched_for_its_model(open_page: Open, plain_url: str, tiny: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "models" / "tiny"
    folder.mkdir(parents=True)
    for path in tiny:
        (folder / path.name).write_bytes(path.read_bytes())
    (tmp_path / "models" / "notes.json").write_text("[]")
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "short.jinja").write_text("{{ messages[0].content }}")
    page = open_page(plain_url + "index.html")
    page.evaluate(
        """() => {
            const input = document.createElement("input");
            Object.assign(input, { type: "file", webkitdirectory: true, id: "dir" });
            document.body.append(input);
        }"""
    )
    page.locator("#dir").set_input_files(tmp_path / "models")
    result = page.evaluate(
        """async () => {
            const { loom } = await import("/loom.js");
            const session = await loom.start();
            const files = document.getElementById("dir").files;
            const model = await session.loadModel(files);
            const size = model.facts.hidden_size;
            const none = await session.loadModel([...files].filter((f) => f.name === "notes.json"))
                .then(() => "", (error) => `${error.name}: ${error.message}`);
            session.dispose();
            return { size, templates: model.facts.templates, none };
        }"""
    )
    assert result["size"] > 0
    assert "short" in result["templates"]
    assert "ModelError" in result["none"]
    assert "holds no model files" in result["none"]


def renderers(profile: Path) -> list[int]:
    """Process ids of the renderers of the browser that has this profile."""
    lines: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            parent = int(re.search(r"^PPid:\s*(\d+)", (entry / "status").read_text(), re.MULTILINE)[1])  # type: ignore[index]
        except (OSError, TypeError):
            continue
        lines[int(entry.name)] = (parent, command)

    def belongs(pid: int) -> bool:
        while pid in lines:
            parent, command = lines[pid]
            if str(profile) in command:
                return True
            pid = parent
        return False

    return [pid for pid, (_, command) in lines.items() if "--type=renderer" in command and belongs(pid)]


def peak(profile: Path) -> int:
    """Bytes of the largest renderer's highest resident size."""
    sizes = []
    for pid in renderers(profile):
        match = re.search(r"^VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        sizes.append(int(match[1]) * 1024 if match else 0)
    return max(sizes)


LOAD = """
async ({ keep, offline }) => {
    const { loom } = await import("/loom.js");
    const [{ name, files }] = await loom.siteModels();
    window.session = await loom.start();
    window.events = [];
    if (offline) await window.goOffline();
    const started = performance.now();
    window.model = await session.loadModel({ name, files }, { keep, onProgress: (event) => events.push(event) });
    return { ms: performance.now() - started, statuses: [...new Set(events.map((event) => event.status))] };
}
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads the sizes of processes from /proc")
def test_the_real_model_offline_and_never_twice_in_memory(
    chromium: Browser, plain_url: str, site: Path, tmp_path: Path
) -> None:
    [gguf] = sorted((site / "models").rglob("*.gguf"))
    size = gguf.stat().st_size

    def visit(profile: Path, keep: str, offline: bool) -> tuple[dict[str, Any], int]:
        context: BrowserContext = chromium.browser_type.launch_persistent_context(
            profile, executable_path=os.environ.get("LOOM_CHROMIUM") or CHROMIUM, args=list(FLAGS)
        )
        try:
            page = context.new_page()
            page.set_default_timeout(BOOT_MS + LOAD_MS)
            page.goto(plain_url + "index.html")
            page.expose_function("goOffline", lambda: context.set_offline(True))
            result = page.evaluate(LOAD, {"keep": keep, "offline": offline})
            highest = peak(profile)
            text = page.evaluate(
                """async () => {
                    let text = "";
                    const answer = model.chat("What is the capital of France?", { maxTokens: 12, temperature: 0 });
                    for await (const piece of answer) text += piece.text;
                    return text;
                }"""
            )
            assert "Paris" in text
            return result, highest
        finally:
            context.close()

    never, in_memory = visit(tmp_path / "never", "never", offline=False)
    limit = in_memory - 0.5 * size
    # The time of garbage collection varies between visits; memory held twice would show in all of them.
    profiles = (tmp_path / f"profile{attempt}" for attempt in range(3))
    visits = ((visit(p, "try", offline=False), visit(p, "try", offline=True)) for p in profiles)
    (first, downloaded), (again, from_disk) = next(visits)
    while max(downloaded, from_disk) >= limit and (more := next(visits, None)):
        (first, downloaded), (again, from_disk) = more
    assert "download" in never["statuses"]
    assert "download" in first["statuses"]
    assert "cached" in again["statuses"]
    assert "download" not in again["statuses"]
    row(
        "Storage",
        f"loading {size / MB:.0f} MB, the page's peak memory: {in_memory / MB:.0f} MB through memory, "
        f"{downloaded / MB:.0f} MB through a file while downloading, {from_disk / MB:.0f} MB from that file, offline",
    )
    row("Storage", f"seconds: {first['ms'] / 1000:.1f} downloading, {again['ms'] / 1000:.1f} offline")
    assert max(downloaded, from_disk) < limit
