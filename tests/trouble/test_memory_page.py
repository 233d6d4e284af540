"""In a page: memory goes back after every kind of error, and a stop gets through while a prompt is encoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser import tiny_checkpoint
from tests.browser.conftest import Open
from tests.report import row

RUN = """
async ({ worker, files }) => {
    const { loom } = await import("/loom.js");
    const session = await loom.start({ worker, device: "simd" });
    const used = async () => (await session.useDevice("simd")).find(({ device }) => device === "simd").used;
    const all = async (stream) => { for await (const piece of stream) piece.text; };
    const checkpoint = files.map(([name, bytes]) => new File([new Uint8Array(bytes)], name));
    const network = { layers: [{ type: "dense", input_size: 2, output_size: 2 }] };
    const wrong = {
        long: (model) => all(model.complete("hello ".repeat(9000))),
        option: (model) => all(model.complete("hello", { maxTokens: -1 })),
        messages: (model) => all(model.chat([{ role: 5 }])),
        template: (model) => all(model.chat([{ role: "user", content: "x" }, 7])),
        disposed: async (model) => { await model.dispose(); await all(model.complete("hello")); },
    };
    const out = { errors: {}, left: {}, objects: [await session.liveObjects()] };
    const before = await used();
    for (const [name, call] of Object.entries(wrong)) {
        const model = await session.loadModel(checkpoint);
        out.loaded = (await used()) - before;
        out.errors[name] = await Promise.resolve().then(() => call(model)).then(() => "none", (e) => e.name);
        await model.dispose();
        out.left[name] = (await used()) - before;
    }
    const broken = checkpoint.map((f) => f.name === "model.safetensors" ? new File([f.slice(0, -500)], f.name) : f);
    out.errors.load = await session.loadModel(broken).then(() => "none", (e) => e.name);
    out.left.load = (await used()) - before;
    const net = await session.createNetwork(network);
    out.errors.forward = await net.forward([1, 2, 3]).then(() => "none", (e) => e.name);
    out.errors.train = await net.train([{ input: [1], target: [2] }], { epochs: 1 }).then(() => "none", (e) => e.name);
    await net.dispose();
    out.left.network = (await used()) - before;

    const model = await session.loadModel(checkpoint);
    const stop = new AbortController();
    const encoding = all(model.complete("hello ".repeat(800_000), { signal: stop.signal }));
    setTimeout(() => { out.asked = performance.now(); stop.abort(); }, 150);
    out.errors.stopped = await encoding.then(() => "none", (e) => e.name);
    out.stopped = performance.now() - out.asked;
    await model.dispose();
    out.left.stopped = (await used()) - before;
    out.objects.push(await session.liveObjects());
    session.dispose();
    return out;
}
"""


# Found by attack (trouble table): 96.6 MB stayed after dispose(); "Stop does nothing".
@pytest.mark.parametrize("worker", [True, False], ids=["worker", "main"])
def test_errors_keep_nothing_and_a_stop_gets_through(
    open_page: Open, plain_url: str, tmp_path: Path, worker: bool
) -> None:
    page = open_page(plain_url + "index.html")
    page.set_default_timeout(180_000)
    directory = tiny_checkpoint.write(tmp_path)
    files = [[n, list((directory / n).read_bytes())] for n in tiny_checkpoint.FILES]
    out: dict[str, Any] = page.evaluate(RUN, {"worker": worker, "files": files})
    assert out["loaded"] > 10_000
    assert "none" not in out["errors"].values(), out["errors"]
    assert "InternalError" not in out["errors"].values(), out["errors"]
    assert set(out["left"].values()) == {0}, out["left"]
    assert out["objects"][0] == out["objects"][1]
    assert out["errors"]["stopped"] == "AbortError"
    assert out["stopped"] < 1500  # 100 ms on an idle machine
    row("stops", f"while a prompt is encoded, {'worker' if worker else 'main thread'}: {out['stopped']:.0f} ms")
