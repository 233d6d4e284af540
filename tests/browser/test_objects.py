"""What Python shares is reachable from JavaScript by reflection, in both interfaces, and is freed when it should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from loom_py.bridge.calls import CLASSES

from .conftest import Open

OBJECTS = (Path(__file__).parent / "objects.js").read_text()


@pytest.mark.parametrize("worker", [True, False], ids=["worker", "main"])
def test_every_object_from_javascript(open_page: Open, isolated_url: str, worker: bool) -> None:
    page = open_page(isolated_url + "index.html")
    page.set_default_timeout(120_000)
    out: dict[str, Any] = page.evaluate(OBJECTS, {"worker": worker})
    assert out["classes"] == list(CLASSES)
    assert out["missing"] == []
    assert out["wrong"] == []
    assert out["nothing"] is None
    assert 0 <= out["milliseconds"] < 1000
    assert out["kind"] == "Float32Array"
    assert out["same"] is True
    assert out["buffers"] == [4, 5, 3]
    assert out["gradient"] == 4
    assert out["moved"] is True
    assert out["inputSize"] == 4
    assert out["nanoseconds"] >= 0
    assert out["count"] == 1
    assert out["short"] == {"name": "InputError", "text": "input: expected 4 values, got 1"}
    assert out["null"]["name"] == "InputError"
    assert "expected a StepState: is a Network" in out["foreign"]["text"]
    assert "Fly not found" in out["unknown"]["text"]
    assert "StepState" in out["noclass"]["text"]
    assert "disposed" in out["after"]["text"]
    assert out["stepping"] == {"steps": list(range(50, 501, 50)), "losses": True}
    assert out["stopped"] == "enough"
    assert 1000 < out["told"] < 100_000
    assert out["usable"] is True
    assert out["epochs"] == [1, 2, 3, 4, 5]
    assert out["tween"][1:] == [1, True, 2]
    assert out["tween"][0] > 0
    assert out["legacy"] is False
    assert out["inner"][0] == "TweenState"
    assert out["inner"][2] == 2  # both are the same state
    assert out["tracked"] == [0, 1]
    assert out["compared"] == [2, "m", 5]
    assert out["clusters"][0] == out["clusters"][1] != out["clusters"][2]
    assert out["bound"] == pytest.approx(1)
    assert out["recorded"] == 2
    assert out["pictures"] == {"several": True, "kind": "Float32Array", "length": 4, "lit": True}
    assert {"type", "weights", "output", "gradient", "input_shape"} <= set(out["inspected"])
    assert out["chase"] == [120, 600]
    assert out["left"] == 0
    if not worker:
        results = out["globals"]
        assert results["classes"] == [True, "LoomStepState", "LoomStepState"]
        assert results["equal"] is True
        assert results["forward"] is True
        assert results["text"] == "[2]"
        assert all(isinstance(answer, str) for answer in results["wrong"])
        assert results["wrong"][1] == "Expected 1 parameters, got 0"
        assert results["size"] == 4
        assert results["thrown"] is True
        assert results["tween"] == ["number", False, 1]
        assert results["chain"] == [True, "[true]"]
        assert results["tracker"] == [2, 1, "m"]
        assert results["tools"] is True
        assert results["refused"] == "windowMs: expected a number, got a string"
        assert "disposed" in results["disposed"]


MAKE = """async ({ worker, count }) => {
    const { loom, initLoom } = await import("/loom.js");
    const session = (globalThis.session ??= await loom.start({ worker }));
    const layers = [{ type: "dense", input_size: 4, output_size: 3 }];
    if (!worker) await initLoom();
    for (let i = 0; i < count; i++) {
        const network = await session.createNetwork({ layers });
        const state = await network.createStepState(4);
        await state.stepForward();
        await session.createAdaptationTracker(100, 1000);
        if (worker) continue;
        const fresh = createLoomNetwork(JSON.stringify({ layers }));
        fresh.createStepState(4).stepForward();
        fresh.InitStepState("[4]");
        createToolbox();
    }
    return session.liveObjects();
}"""


def live(page: Page) -> int:
    return page.evaluate("() => globalThis.session.liveObjects()")


@pytest.mark.parametrize("worker", [True, False], ids=["worker", "main"])
def test_what_nobody_holds_goes_with_the_next_collection(open_page: Open, isolated_url: str, worker: bool) -> None:
    page = open_page(isolated_url + "index.html")
    page.set_default_timeout(120_000)
    count: int = page.evaluate(MAKE, {"worker": worker, "count": 20})
    assert count > 20
    for _ in range(100):
        page.request_gc()
        page.wait_for_timeout(100)
        if live(page) <= 8:
            break
    # the network created last stays the current one of the globals, and an engine may keep a few alive
    assert live(page) <= 8


def test_objects_made_and_disposed_leave_nothing(open_page: Open, isolated_url: str) -> None:
    page = open_page(isolated_url + "index.html")
    page.set_default_timeout(120_000)
    counts: list[int] = page.evaluate(
        """async () => {
            const { loom } = await import("/loom.js");
            const session = await loom.start();
            const network = await session.createNetwork({ layers: [{ type: "dense", input_size: 4, output_size: 3 }] });
            const counts = [await session.liveObjects()];
            for (let i = 0; i < 50; i++) {
                const state = await network.createStepState(4);
                const tween = await network.createTweenState();
                const stop = new AbortController();
                const watching = network.watch(() => {}, { signal: stop.signal });
                await state.stepForward();
                await state.setInput([1]).catch(() => {});
                await session.create("StepState", network, -1).catch(() => {});
                stop.abort();
                await watching;
                await Promise.all([state.dispose(), tween.dispose()]);
                await state.dispose();
            }
            counts.push(await session.liveObjects());
            await network.dispose();
            counts.push(await session.liveObjects());
            session.dispose();
            return counts;
        }"""
    )
    assert counts == [counts[0], counts[0], counts[0] - 1]
