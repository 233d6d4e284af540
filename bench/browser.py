"""One Chromium, the folder that is served to it, and a page for each contestant."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import Error as BrowserError

from tools import console, files, paths, serve

from .contestants import Contestant

HERE = Path(__file__).resolve().parent
RIVALS = HERE / "rivals"
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # A page that waits for its turn must not be slowed down when the turn comes.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--enable-unsafe-webgpu",
)
NEEDED = {
    "@wllama/wllama": ("esm/index.js", "esm/wasm/wllama.wasm"),
    "@tensorflow/tfjs": ("dist/tf.min.js",),
    "@tensorflow/tfjs-backend-wasm": ("dist/tf-backend-wasm.min.js", "dist/*.wasm"),
    "@jax-js/jax": ("dist/*.js",),
    "@huggingface/transformers": ("dist/transformers.min.js",),
    "onnxruntime-web": ("dist/ort-wasm-simd-threaded.asyncify.*",),
}
"""Package → the files that a page loads."""
PATIENCE = 600
"""Timeout in seconds: a rival may read a thousand tokens on a slow machine."""
ROOFLINES = {"roofline.wasm": (), "roofline-relaxed.wasm": ("-mrelaxed-simd",)}
COMPILE = ("-target", "wasm32-freestanding", "-O3", "-msimd128", "-mnontrapping-fptoint", "-nostdlib", "-Wl,--no-entry",
           "-Wl,--export=start", "-Wl,--export=read", "-Wl,--export=madd", "-Wl,--export=dot")  # fmt: skip


def assemble(folder: Path, checkout: Path = paths.REPOSITORY, *, rivals: bool = True) -> None:
    """A checkout's site and bench pages, and the rivals' files, without changing dist/.

    Raises `console.Failure` for a checkout that was not built.
    """
    site, pages = checkout / "dist", checkout / "bench" / "pages"
    if not (site / "loom.js").is_file() or not pages.is_dir():
        raise console.Failure(f"{checkout} holds no built LOOM; run ./build_pyodide.sh build in it first.")
    for source in sorted(p for p in site.rglob("*") if p.is_file()):
        files.place(source, folder / source.relative_to(site))
    for package, patterns in NEEDED.items() if rivals else ():
        root = RIVALS / "node_modules" / package
        matches = [path for pattern in patterns for path in sorted(root.glob(pattern))]
        if len(matches) < len(patterns):
            raise console.Failure(
                f"the package {package} is incomplete in {root}; remove that folder and run this again."
            )
        for path in matches:
            files.place(path, folder / "rivals" / package / path.relative_to(root))
    for path in sorted(pages.iterdir()):
        if path.suffix in (".js", ".html", ".py"):
            (folder / "bench").mkdir(exist_ok=True)
            (folder / "bench" / path.name).write_bytes(path.read_bytes())
    (folder / "bench" / "data").mkdir()
    _rooflines(folder / "bench")


def _rooflines(folder: Path) -> None:
    for name, extra in ROOFLINES.items():
        source = str(HERE / "pages" / "roofline.c")
        command = [sys.executable, "-m", "ziglang", "cc", *COMPILE, *extra, "-o", str(folder / name), source]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            print(ran.stderr, file=sys.stderr)
            raise console.Failure("roofline.c could not be compiled; the compiler's output is above.")


def chromium_path() -> str | None:
    """The Chromium to measure in; None for Playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("LOOM_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@contextmanager
def open_hall(folder: Path, before: Path | None = None) -> Iterator[Hall]:
    """The browser with the servers of one folder, or of two; all are stopped when the block ends, however it ends."""
    with ExitStack() as stack:
        sites = [
            tuple(stack.enter_context(serve.start(place, isolated=isolated)).url for isolated in (False, True))
            for place in (folder, before)
            if place is not None
        ]
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        stack.callback(browser.close)
        yield Hall(browser, sites)


class Hall:
    """Opens pages and exchanges messages with them.

    `sites` are (address, address of the cross-origin isolated server) of this checkout and, if any, of the other one.
    """

    def __init__(self, browser: Browser, sites: Sequence[tuple[str, ...]]) -> None:
        self.browser, self._sites = browser, sites

    def open(self, contestant: Contestant) -> Seat:
        """Its page, ready. Raises `console.Skipped` with its own message when it cannot start."""
        context = self.browser.new_context(bypass_csp=True)
        page = context.new_page()
        page.set_default_timeout(600_000)
        seat = Seat(contestant, page)
        page.on("pageerror", lambda error: seat.errors.append(str(error)))
        try:
            page.goto(self._sites[contestant.before][contestant.isolated] + "bench/page.html")
            script = """async ([module, options]) => {
                const { open } = await import(`/bench/${module}.js`);
                globalThis.contestant = await open(options);
                return globalThis.contestant.facts ?? {};
            }"""
            seat.facts = page.evaluate(script, [contestant.module, contestant.options])
        except BrowserError as error:
            context.close()
            raise console.Skipped(_words(error)) from error
        return seat


class Seat:
    """One contestant in its page."""

    def __init__(self, contestant: Contestant, page: Page) -> None:
        self.contestant, self._page = contestant, page
        self.closed = False
        self.errors: list[str] = []
        self.facts: dict[str, Any] = {}

    def call(self, method: str, *arguments: Any) -> dict[str, Any]:
        """Raises `console.Skipped` with the contestant's message when it fails; one that hangs is closed."""
        if self.closed:
            raise console.Skipped("its page was closed")
        script = """([method, args, limit]) => Promise.race([
            globalThis.contestant[method](...args),
            new Promise((_, reject) => setTimeout(() => reject(new Error("no answer in time")), limit)),
        ])"""
        try:
            return self._page.evaluate(script, [method, list(arguments), 1000 * PATIENCE])
        except BrowserError as error:
            if "no answer in time" in error.message:
                self.close()
            raise console.Skipped("; ".join([_words(error), *self.errors])) from error

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._page.context.close()


def _words(error: BrowserError) -> str:
    return error.message.removeprefix("Page.evaluate: ").splitlines()[0][:300]


def machine(browser: Browser) -> dict[str, Any]:
    """The conditions that the figures depend on."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = lines[0] if lines else cpu
    return {
        "cpu": cpu or platform.machine(),
        "cores": os.cpu_count() or 1,
        "system": platform.system(),
        "chromium": browser.version,
    }


def place_model(path: Path, folder: Path, key: str) -> None:
    """A model where `model_url` says."""
    files.place(path, folder / "bench" / "models" / f"{key}.gguf")


def model_url(key: str) -> str:
    return f"/bench/models/{key}.gguf"
