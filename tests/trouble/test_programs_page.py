"""Damaged programs in a page: none may trap, hang or end the tab."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.browser.conftest import Open

from . import mutations
from .programs import programs

SEED, COUNT, SLICE = 20260129, 500, 25
RUN = """
async ([code, texts, seed, count, slice]) => {
    const { boot } = await import("/engine/boot.js");
    const { pyodide } = await boot();
    pyodide.FS.writeFile("mutations.py", code);
    pyodide.FS.writeFile("programs.json", texts);
    pyodide.runPython(
        "import json, sys; sys.path.insert(0, '.')\\nimport mutations\\nfrom loom_py.runtime.choice import devices\\n" +
        "texts = json.load(open('programs.json'))");
    const outcomes = [];
    for (let at = 0; at < count; at += slice) {
        const rows = pyodide.runPython(`json.dumps([
            [n, kind, '' if outcome in mutations.GOOD else text, outcome]
            for n, kind, text, outcome in mutations.campaign(texts, ${seed}, range(${at}, ${at + slice}),
                devices.get('simd'))])`);
        outcomes.push(...JSON.parse(rows));
        await new Promise((resolve) => setTimeout(resolve));
    }
    return outcomes;
}
"""


# Found by attack (trouble table).
def test_five_hundred_damaged_programs(open_module_page: Open, plain_url: str) -> None:
    page = open_module_page(plain_url + "index.html", bypass_csp=True)
    page.set_default_timeout(600_000)
    code = Path(mutations.__file__).read_text("utf-8")
    outcomes: list[list[Any]] = page.evaluate(RUN, [code, json.dumps(programs()), SEED, COUNT, SLICE])
    assert len(outcomes) == COUNT
    wrong = [row for row in outcomes if row[3] not in mutations.GOOD]
    assert not wrong, wrong[:3]
    assert sum(row[3] == "ran" for row in outcomes) > 20
