"""The devices with isolation and SIMD switched off in turn: everything still works, and the reason is reported."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Error, Page

from .conftest import Open

TRAIN = """async (options) => {
    const { loom } = await import("/loom.js");
    const session = await loom.start(options);
    const demo = await (await fetch("/examples/grid_scatter.json")).json();
    const network = await session.createNetwork(demo.network, { seed: 1 });
    const batches = demo.batches.map((b) => ({ input: b.Input, target: b.Target }));
    const result = await network.train(batches, { epochs: 400, learningRate: 0.15, gradientClip: 1 });
    const device = await network.call("GetDevice");
    const simd = session.devices.find((facts) => facts.device === "simd");
    session.dispose();
    return { loss: result.FinalLoss, epochs: result.LossHistory.length, device, simd };
}"""
NO_SIMD = "WebAssembly.validate = () => false;"


def train(page: Page, **options: Any) -> dict[str, Any]:
    return page.evaluate(TRAIN, options)


def test_threads_or_none_give_the_same(open_page: Open, isolated_url: str, plain_url: str) -> None:
    threaded = train(open_page(isolated_url + "index.html"), threads=3)
    alone = train(open_page(isolated_url + "index.html"), threads=1)
    plain = train(open_page(plain_url + "index.html"), threads=3)
    assert (threaded["simd"]["threads"], alone["simd"]["threads"], plain["simd"]["threads"]) == (3, 1, 1)
    assert threaded["loss"] == alone["loss"] == plain["loss"] < 0.01
    assert threaded["device"]["device"] == "simd"


@pytest.mark.parametrize("device", ["auto", "simd"])
def test_without_simd_numpy_does_it(open_page: Open, isolated_url: str, device: str) -> None:
    page = open_page(isolated_url + "index.html")
    page.add_init_script(NO_SIMD)
    page.reload()
    result = train(page, worker=False, device=device)
    assert result["simd"] == {"device": "simd", "available": False, "reason": result["simd"]["reason"]}
    assert "no SIMD" in result["simd"]["reason"]
    assert result["device"]["device"] == "numpy"
    assert "no SIMD" in result["device"]["reason"]
    assert result["loss"] < 0.01
    assert result["epochs"] == 400


def test_a_page_reports_the_requested_device(open_page: Open, isolated_url: str) -> None:
    assert train(open_page(isolated_url + "index.html"), device="numpy")["device"] == {
        "device": "numpy",
        "reason": "asked for",
    }


def test_python_on_the_page_s_thread_has_its_threads_once(open_page: Open, isolated_url: str) -> None:
    page = open_page(isolated_url + "index.html")
    assert train(page, worker=False, threads=2)["simd"]["threads"] == 2
    assert train(page, worker=False, threads=2)["simd"]["threads"] == 2
    assert train(page, worker=False)["simd"]["threads"] == 2
    assert train(page, worker=True, threads=1)["simd"]["threads"] == 1
    with pytest.raises(Error, match="3 were requested, but Python on this thread was started with 2"):
        train(page, worker=False, threads=3)
