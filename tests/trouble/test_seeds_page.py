"""What the original's documents promise and was missing, in a page: on its thread as `initLoom` starts it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Open


@pytest.fixture(scope="module")
def page(open_module_page: Open, plain_url: str) -> Page:
    page = open_module_page(plain_url + "index.html", bypass_csp=True)
    page.set_default_timeout(120_000)
    page.evaluate("async () => { await (await import('/loom.js')).initLoom(); }")
    return page


def python(page: Page, code: str) -> Any:
    """Run Python in the page as its user could; the value of the last line."""
    return page.evaluate(
        "async (code) => (await (await import('/engine/boot.js')).boot()).pyodide.runPython(code)", code
    )


# Source: the trouble table, `import welvet`, in the page.
def test_import_welvet(page: Page) -> None:
    code = """
from welvet import create_network_from_json, StepState, apply_gradients
import welvet, loom_py
network = create_network_from_json({"layers": [{"type": "dense", "input_size": 4, "output_size": 2}]})
state = StepState(input_size=4)
state.set_input([1, 2, 3, 4])
state.step_forward()
[len(state.get_output()), welvet is loom_py.simple]
"""
    assert python(page, f"{code.strip()}.__str__()") == "[2, True]"
