"""No leaks: no object in Python and no proxy in JavaScript stays, by Pyodide's own counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Route

from tools import paths

from .conftest import Open

COUNTER = """
import { boot as bootForCounting } from "./loom.js";
const counting = new BroadcastChannel("proxies");
counting.onmessage = async ({ data }) => {
    if (data !== "count") return;
    const { pyodide } = await bootForCounting();
    const { pyproxy_alloc_map, enable_pyproxy_allocation_tracing, HEAPU8 } = pyodide._module;
    if (!globalThis.tracing) enable_pyproxy_allocation_tracing();
    globalThis.tracing = true;
    counting.postMessage({ proxies: pyproxy_alloc_map.size, heap: HEAPU8.length });
};
"""
LEAKS = (Path(__file__).parent / "leaks.js").read_text()


@pytest.mark.parametrize("worker", [True, False], ids=["worker", "main"])
def test_ten_networks_with_cancelled_training_leave_nothing(open_page: Open, isolated_url: str, worker: bool) -> None:
    page = open_page(isolated_url + "index.html", bypass_csp=True)
    page.set_default_timeout(120_000)

    def with_counter(route: Route) -> None:
        text = (paths.SITE / "worker.js").read_text(encoding="utf-8")
        headers = {"Content-Type": "text/javascript", "Cross-Origin-Embedder-Policy": "require-corp"}
        route.fulfill(body=text + COUNTER, headers=headers)

    page.context.route("**/worker.js", with_counter)
    out: dict[str, Any] = page.evaluate(LEAKS, {"worker": worker, "networks": 10, "counter": COUNTER})
    assert out["cancelled"] == 10
    assert all(out["epochs"] / 10 <= stopped < out["epochs"] for stopped in out["stopped"])
    assert out["usable"] is True
    assert out["during"]["objects"] == out["before"]["objects"] + 1  # the count works
    assert out["afterNetworks"]["objects"] == out["before"]["objects"]
    assert out["afterNetworks"]["proxies"] == out["before"]["proxies"]
    assert out["afterCalls"] == out["afterNetworks"]
    assert out["heldProxies"] == 1  # a proxy that is kept shows in the count
    if not worker:
        assert out["globals"] == out["afterCalls"]
