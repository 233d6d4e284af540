"""The table's rows about a browser, in Firefox and WebKitGTK: one browser for all of a kind, one session for most rows.

Chromium has each row in a test of its own. What these two cannot do here: they are not asked in a private window, whose
Cache API keeps nothing (row 31; WebKitWebDriver has one kind of session), not for 2 GiB of heap (A1), which is the same
WebAssembly in each, and WebKit not for a whole session, which had not ended after 100 seconds on two busy cores.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests import webdriver
from tests.browser import tiny_checkpoint

from . import faulty_site, mutations
from .faulty_site import Answer, FaultySite
from .programs import programs
from .test_engine_page import ASK, ATTACK, KILL, POLICY, START, USE, WORKER_CODE, check_attack, started
from .test_programs_page import RUN, SEED, SLICE
from .test_snapshot_page import RESTORED

BROWSERS: dict[str, tuple[Callable[[], bool], Callable[[], AbstractContextManager[webdriver.Tab]]]] = {
    "firefox": (webdriver.has_firefox, webdriver.firefox),
    "webkit": (webdriver.has_webkit, webdriver.webkit),
}
Opened = tuple[webdriver.Tab, FaultySite]
VALUES = """
const failure = (work) => work().then(() => "", ({ name, where }) => `${name} ${where}`);
const config = { layers: [{ type: "dense", input_size: 2, output_size: 3 }] };
const network = await session.createNetwork(config, { seed: 1 });
const batches = [{ Input: [0, 1], Target: [1, 0, 0] }];
out.values = {
  25: await failure(() => network.train(batches, { learningRate: NaN })),
  26: await failure(() => network.train(batches, { epochs: Infinity })),
  27: typeof (await network.train(batches)).FinalLoss,
  28: await failure(() => network.forward([3, null])),
  29: (await network.call("ForwardCPU", new Float32Array([1, 2])))[0].length,
  5: await failure(() => network.forward("hello")),
};
"""
MODELS = """
const base = new URL("/m/", location.href).href;
const files = FILES.map((name) => ({ name, url: base + name }));
const events = [];
const onProgress = ({ status, file }) => events.push([status, file]);
out.page = await failure(async () => (await session.loadModel({ name: "m", files }, { keep: "must" })).dispose());
const model = await session.loadModel({ name: "m", files }, { keep: "must" });
const again = await session.loadModel({ name: "m", files }, { keep: "must", onProgress });
await again.dispose();
out.cached = events.filter(([status]) => status === "cached").length;
out.shelf = (await session.storage.usage()).kind;
const run = async (pieces) => {
  const answer = { ids: [] };
  for await (const piece of pieces) piece.done ? Object.assign(answer, piece) : answer.ids.push(piece.id);
  return answer;
};
const sampling = { maxTokens: 6, seed: 4, temperature: 1 };
const alone = [await run(model.complete("Once", sampling)), await run(model.complete("Twice", sampling))];
const both = await Promise.all(["Once", "Twice"].map((text) => run(model.complete(text, sampling))));
out.both = both.every(({ ids }, i) => ids.join() === alone[i].ids.join());
const drawn = [await run(model.complete("x", { temperature: 1 })), await run(model.complete("x", { temperature: 1 }))];
out.seeds = drawn[0].seed !== drawn[1].seed;
out.cut = (await run(model.complete("cut \\ud83d", sampling))).ids.join()
  === (await run(model.complete("cut \\ufffd", sampling))).ids.join();
out.infinite = await failure(() => run(model.chat("x", { temperature: Infinity })));
const used = async () => (await session.useDevice("simd")).find(({ device }) => device === "simd").used;
const before = await used();
const wrong = await session.loadModel({ name: "m", files });
const loaded = await used();
out.long = await failure(() => run(wrong.complete("hello ".repeat(9000), sampling)));
await wrong.dispose();
out.freed = [loaded > before, (await used()) === before];
const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("loom-files");
for await (const [name, handle] of folder.entries()) {
  if (!name.endsWith(".bin") || (await handle.getFile()).size < 20_000) continue;
  const file = await handle.createWritable({ keepExistingData: true });
  await file.write({ type: "write", position: 15_000, data: new Uint8Array(1000) });
  await file.close();
}
events.length = 0;
await (await session.loadModel({ name: "m", files }, { keep: "must", onProgress })).dispose();
out.mended = events.filter(([status]) => status === "restart").map(([, file]) => file);
const profile = await model.profile({ repeats: 1 });
out.profile = profile.rows.some(({ kernel }) => kernel === "attention");
"""
END = """
const pending = network.train(batches, { epochs: 1e8 }).then(() => "finished", (error) => error.name);
await new Promise((resolve) => setTimeout(resolve, 200));
workers[0].postMessage("close");
out.ended = await pending;
out.later = await failure(() => network.forward([1, 2]));
return out;
"""


@pytest.fixture(scope="module", params=BROWSERS)
def opened(request: pytest.FixtureRequest, site: Path) -> Iterator[Opened]:
    available, open_browser = BROWSERS[request.param]
    if not available():
        pytest.skip(f"needs {request.param}")
    with faulty_site.serving(site) as running, open_browser() as tab:
        yield tab, running


@pytest.fixture
def tab(opened: Opened) -> webdriver.Tab:
    return opened[0]


@pytest.fixture
def faulty(opened: Opened) -> Iterator[FaultySite]:
    yield opened[1]
    opened[1].faults.clear()


# Source: the trouble table, rows 19, 25, 27 to 32, A2, A5, A8, A10, U5 and S14.
@pytest.mark.parametrize("opened", ["firefox"], indirect=True)
def test_a_session(request: pytest.FixtureRequest, tab: webdriver.Tab, faulty: FaultySite, tmp_path: Path) -> None:
    directory = tiny_checkpoint.write(tmp_path)
    for name in tiny_checkpoint.FILES:
        faulty.pages[f"/m/{name}"] = ((directory / name).read_bytes(), {})
    whole = faulty.pages.pop("/m/tokenizer.json")
    faulty.faults["/m/tokenizer.json#1"] = faulty_site.login
    faulty.faults["/m/tokenizer.json"] = lambda _: Answer(200, whole[0])
    faulty.faults["/worker.js"] = lambda body: Answer(200, body + WORKER_CODE)
    script = f"{KILL} const options = {{ threads: 1 }}; const out = {{}}; {START} {VALUES} {MODELS} {END}"
    page = faulty.page(script.replace("FILES", str([*tiny_checkpoint.FILES])))
    result: dict[str, Any] = tab.result(page, 240)
    assert "message" not in result, result
    assert result["values"] == {
        "25": "InputError options.learningRate",
        "26": "InputError options.epochs",
        "27": "number",
        "28": "InputError input[1]",
        "29": 3,
        "5": "InputError input",
    }
    assert result["page"] == ""  # the sign-in page was not kept: the file was asked for again
    assert (result["cached"], result["shelf"] in ("opfs", "cache")) == (len(tiny_checkpoint.FILES), True)
    assert (result["both"], result["seeds"], result["cut"], result["profile"]) == (True, True, True, True)
    assert (result["long"], result["freed"]) == ("InputError prompt", [True, True])
    assert result["mended"] == ["model.safetensors"]
    assert result["infinite"] == "InputError options.temperature"
    assert (result["ended"], result["later"].split()[0]) == ("RuntimeFailure", "RuntimeFailure")


# Source: the trouble table, rows 26 and A11.
@pytest.mark.parametrize(
    ("file", "fault", "name", "words"),
    [
        ("pyodide.asm.wasm", faulty_site.missing, "RuntimeFailure", "status 404"),
        ("pyodide.asm.wasm", faulty_site.login, "RuntimeFailure", "HTML page"),
        ("pyodide.asm.wasm", faulty_site.cut, "RuntimeFailure", "connection was lost"),
        ("python_stdlib.zip", faulty_site.longer, "IntegrityError", "python_stdlib.zip"),
        ("pyodide.asm.mjs", faulty_site.flipped, "IntegrityError", "pyodide.asm.mjs"),
    ],
)
def test_a_runtime_that_cannot_be_had(
    tab: webdriver.Tab, faulty: FaultySite, file: str, fault: faulty_site.Fault, name: str, words: str
) -> None:
    faulty.faults = {file: fault}
    result = tab.result(faulty.page(f"const options = {{ threads: 1 }}; {START} return {{ name: 'started' }};"))
    assert result["name"] == name
    assert words in result["message"]
    assert result["remedy"]


def test_python_goes_on_from_the_snapshot(
    request: pytest.FixtureRequest, tab: webdriver.Tab, faulty: FaultySite
) -> None:
    """Its memory was made by another engine. WebKit has more functions in its table than there is room for."""
    result = tab.result(faulty.page(RESTORED), 100)
    assert result.get("restored") is ("firefox" in request.node.callspec.id), result
    assert len(set(result["output"])) == 3
    assert (result["solved"], result["depth"]) == ([0.5, 0.25], 400)


# Source: the trouble table, row A7; under the policy of the site's pages Firefox lets no module of a worker import.
@pytest.mark.parametrize("opened", ["firefox"], indirect=True)
def test_the_worker_is_under_the_pages_policy(tab: webdriver.Tab, faulty: FaultySite) -> None:
    faulty.faults["/worker.js"] = lambda body: Answer(200, body + ATTACK)
    notices = "const notices = []; const onProgress = (p) => p.status === 'notice' && notices.push(p.message);"
    then = USE + ASK.replace("workers[0]", "workers.at(-1)").replace("return {", "return { notices, ")
    result = tab.result(faulty.page(notices + KILL + started("{ onProgress }", then), policy=POLICY))
    assert result.get("notices") == [], result
    check_attack(result)


def test_a_policy_that_forbids_webassembly(tab: webdriver.Tab, faulty: FaultySite) -> None:
    policy = "script-src 'self'; worker-src blob:; connect-src 'self'"
    script = f"const options = {{ worker: false }}; {START} return {{ name: 'started' }};"
    result = tab.result(faulty.page(script, policy=policy))
    assert (result["name"], result["where"]) == ("RuntimeFailure", "Content-Security-Policy: script-src")


def wait(tab: webdriver.Tab, script: str, seconds: float = 60) -> Any:
    """What a script gives once it gives something."""
    end = time.monotonic() + seconds
    while not (value := tab.evaluate(script)) and time.monotonic() < end:
        time.sleep(0.1)
    return value


# Source: the trouble table, row U6.
def test_scripts_that_fail_are_said(tab: webdriver.Tab, faulty: FaultySite) -> None:
    faulty.faults["demos/grid_scatter.js"] = faulty_site.missing
    tab.goto(f"{faulty.url}grid_scatter_demo.html")
    text = "return document.getElementById('error').textContent"
    assert "could not be loaded" in wait(tab, text)


# Source: the trouble table, row A6, in another engine for WebAssembly.
@pytest.mark.parametrize("opened", ["firefox"], indirect=True)
def test_damaged_programs(tab: webdriver.Tab, faulty: FaultySite) -> None:
    arguments = [Path(mutations.__file__).read_text("utf-8"), json.dumps(programs()), SEED, 100, SLICE]
    faulty.pages["/programs.json"] = (json.dumps(arguments).encode(), {"Content-Type": "application/json"})
    run = f"const run = {RUN}; return {{ outcomes: await run(await (await fetch('programs.json')).json()) }};"
    outcomes: list[list[Any]] = tab.result(faulty.page(run))["outcomes"]
    assert len(outcomes) == 100
    assert not [row for row in outcomes if row[3] not in mutations.GOOD]
    assert sum(row[3] == "ran" for row in outcomes) > 4


# Source: the trouble table, row U1. WebKit's window has no size on the display that it has here.
@pytest.mark.parametrize("opened", ["firefox"], indirect=True)
def test_the_composer_is_in_view(tab: webdriver.Tab, faulty: FaultySite) -> None:
    tab.goto(f"{faulty.url}inference.html")
    bottom = "return document.getElementById('composer').getBoundingClientRect().bottom"
    assert 0 < wait(tab, bottom) <= tab.evaluate("return innerHeight")


PICK = """
const [files] = arguments;
const chosen = new DataTransfer();
for (const [name, data] of files)
  chosen.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name));
document.querySelector("input[name=source][value=files]").click();
const picker = document.getElementById("files");
picker.files = chosen.files;
picker.dispatchEvent(new Event("change", { bubbles: true }));
"""
LOAD = "document.getElementById('load').click()"
READY = "return !document.getElementById('load').disabled"
ASK_THE_MODEL = "document.getElementById('prompt').value = arguments[0]; document.getElementById('send').click();"
ANSWERS = "return document.querySelectorAll('.turn:not(.past) .token').length"


# Source: the trouble table, row U2.
@pytest.mark.parametrize("opened", ["firefox"], indirect=True)
def test_another_model_begins_a_new_conversation(tab: webdriver.Tab, faulty: FaultySite, tmp_path: Path) -> None:
    directory = tiny_checkpoint.write(tmp_path)
    files = [[name, b64encode((directory / name).read_bytes()).decode()] for name in tiny_checkpoint.FILES]
    tab.goto(f"{faulty.url}inference.html")
    assert wait(tab, "return document.getElementById('files') !== null")
    tab.evaluate(ASK_THE_MODEL, "too early")
    assert "no model yet" in wait(tab, "return document.getElementById('error').textContent")
    ready = "return document.getElementById('status').textContent.includes('Ready after')"
    tab.evaluate(PICK, files)
    assert wait(tab, READY, 90)
    tab.evaluate(LOAD)
    assert wait(tab, ready, 60)
    assert tab.evaluate("return document.getElementById('error').hidden")
    tab.evaluate(ASK_THE_MODEL, "Hello")
    assert wait(tab, ANSWERS)
    tab.evaluate("document.getElementById('stop').click()")
    assert wait(tab, "return document.getElementById('stop').hidden")
    assert wait(tab, READY)
    tab.evaluate(LOAD)
    assert wait(tab, "return document.querySelector('.divider') !== null", 60)
    assert wait(tab, ready, 60)
    assert tab.evaluate("return document.querySelectorAll('.turn.past').length") == 2
    assert tab.evaluate(ANSWERS) == 0
    tab.evaluate(ASK_THE_MODEL, "Hello again")
    assert wait(tab, ANSWERS)
