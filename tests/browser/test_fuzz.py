"""Ten thousand calls that nobody would make on purpose, in a page, from a seeded generator.

Every one must end in a value or in one of the forms of errors: a sentence, `[null, message]`, `{"success": false}`, or
a thrown `LoomError` from the short forms. None may be a fault of LOOM (`InternalError`), an endless wait, a change to
JavaScript's own prototypes, or a memory leak.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from ..report import row
from . import tiny_checkpoint
from .conftest import Open

FUZZ = (Path(__file__).parent / "fuzz.js").read_text()
CALLS = 10_000
WARM_UP = 2_500
"""Calls after which memory must not grow."""


@pytest.fixture(scope="module")
def page(open_module_page: Open, isolated_url: str) -> Page:
    page = open_module_page(isolated_url + "index.html", bypass_csp=True)
    page.set_default_timeout(180_000)
    page.evaluate("async () => { await (await import('/loom.js')).initLoom(); }")
    return page


def test_ten_thousand_wrong_calls(page: Page, tmp_path: Path) -> None:
    directory = tiny_checkpoint.write(tmp_path)
    developer_tools = page.context.new_cdp_session(page)

    def script_heap() -> int:
        """Bytes that JavaScript's objects need, garbage not counted."""
        developer_tools.send("HeapProfiler.collectGarbage")
        return developer_tools.send("Runtime.getHeapUsage")["usedSize"]

    page.expose_function("scriptHeap", script_heap)
    files = {name: list((directory / name).read_bytes()) for name in tiny_checkpoint.FILES}
    out: dict[str, Any] = page.evaluate(FUZZ, {"seed": 20, "calls": CALLS, "warmUp": WARM_UP, "files": files})
    assert not out["faults"], "\n".join(out["faults"])
    kinds = Counter(out["kinds"])
    assert out["made"] == CALLS == kinds.total()
    assert out["called"] == out["callable"]  # every method and every global was called
    assert kinds["sentence"] > 1000
    assert kinds["value"] > 1000
    assert min(kinds["pair"], kinds["unsuccessful"], kinds["thrown"]) > 10
    assert out["prototypes"] == []
    assert out["loss"][1] < out["loss"][0] / 2  # the module trains as before
    before, after = out["heap"]
    assert after <= before * 1.05, "\n".join(out["grown"])
    script_before, script_after = out["scriptHeap"]
    assert script_after <= script_before * 1.05
    text = ", ".join(f"{name} {count}" for name, count in sorted(kinds.items()))
    row("fuzzing", f"{CALLS} calls in {out['seconds']:.0f} s: {text}")
    scripts = f"JavaScript's {script_before / 2**20:.1f} → {script_after / 2**20:.1f} MiB"
    row("fuzzing", f"WebAssembly heap {before / 2**20:.1f} → {after / 2**20:.1f} MiB, {scripts}")
