"""In a page: what a caller's `onProgress` throws ends the work with that very error, with and without a worker.

Left open by the first pass over the trouble table; a sibling of its row A5.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser import tiny_checkpoint
from tests.browser.conftest import Open
from tests.browser.fake_hub import Hub
from tests.formats.tiny_gguf import write_tiny_gguf

RUN = """
async ({ worker, files, hubURL }) => {
    const { loom } = await import("/loom.js");
    const uncaught = [];
    addEventListener("error", (e) => uncaught.push(e.message));
    addEventListener("unhandledrejection", (e) => uncaught.push(String(e.reason)));
    const boom = new Error("of the caller");
    const onProgress = () => { throw boom; };
    const outcome = (promise) => promise.then(() => "none", (e) => (e === boom ? "its own" : String(e)));
    const out = {};
    navigator.storage.persisted = async () => true; // what is large is kept, and the answer is there at once
    out.start = await outcome(loom.start({ worker, device: "simd", onProgress }));
    const session = await loom.start({ worker, device: "simd" });
    const used = async () => (await session.useDevice("simd")).find(({ device }) => device === "simd").used;
    const before = [await used(), await session.liveObjects()];
    const checkpoint = files.map(([name, bytes]) => new File([new Uint8Array(bytes)], name));
    const all = async (stream) => { for await (const piece of stream) piece.text; };

    out.load = await outcome(session.loadModel(checkpoint, { onProgress }));
    const onPersist = ({ status }) => { if (status === "persist") throw boom; };
    out.persist = await outcome(session.loadModel("someone/large/large.gguf", { hubURL, onProgress: onPersist }));
    const model = await session.loadModel(checkpoint);
    out.complete = await outcome(all(model.complete("hello", { onProgress })));
    out.chat = await outcome(all(model.chat("hello", { onProgress })));
    out.profile = await outcome(model.profile({ onProgress }));
    await all(model.complete("hello", { maxTokens: 2 }));
    await model.dispose();

    const net = await session.createNetwork({ layers: [{ type: "dense", input_size: 2, output_size: 2 }], seed: 3 });
    const batches = [{ input: [1, 2], target: [0.5, 0.25] }];
    out.train = await outcome(net.train(batches, { epochs: 100000 }, { onProgress }));
    out.left = Array.from(await net.forward([1, 2])).every(Number.isFinite);
    const again = await net.train(batches, { epochs: 3 });
    out.again = Object.keys(again).length > 0;
    await net.dispose();
    out.verify = await outcome(session.verifyDevice("simd", { onProgress }));
    out.kept = JSON.stringify(before) === JSON.stringify([await used(), await session.liveObjects()]);
    session.dispose();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return { ...out, uncaught };
}
"""


@pytest.mark.parametrize("worker", [True, False], ids=["worker", "main"])
def test_a_progress_function_that_throws(
    open_page: Open, plain_url: str, hub: Hub, tmp_path: Path, worker: bool
) -> None:
    page = open_page(plain_url + "index.html", allowed=["127.0.0.1"], bypass_csp=True)
    page.set_default_timeout(120_000)
    directory = tiny_checkpoint.write(tmp_path)
    files = [[n, list((directory / n).read_bytes())] for n in tiny_checkpoint.FILES]
    large = write_tiny_gguf(tmp_path / "large.gguf").path.read_bytes() + bytes(33 << 20)  # small files ask nobody
    hub.files = {"large.gguf": large}
    out: dict[str, Any] = page.evaluate(RUN, {"worker": worker, "files": files, "hubURL": hub.url})
    calls = ("start", "load", "persist", "complete", "chat", "profile", "train", "verify")
    assert {name: out[name] for name in calls} == dict.fromkeys(calls, "its own"), out
    assert (out["left"], out["again"], out["kept"], out["uncaught"]) == (True, True, True, []), out
