"""Where the time goes, in a page: a language model and a network, on NumPy and the compiled kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser import tiny_checkpoint
from tests.browser.conftest import Open

SESSION = """
async ([device, given]) => {
    const { loom } = await import("/loom.js");
    const session = await loom.start({ device, threads: 2 });
    const files = given.map(([name, bytes]) => new File([new Uint8Array(bytes)], name));
    const model = await session.loadModel(files);
    const counted = [];
    const out = { counted };
    const onProgress = ({ status, loaded, total }) => counted.push([status, loaded, total]);
    out.token = await model.profile({ onProgress, repeats: 1 });
    out.chunk = await model.profile({ tokens: 16, context: 3, repeats: 1 });
    const layers = [{ type: "dense", input_size: 4, output_size: 8, activation: "tanh" }];
    const network = await session.createNetwork({ layers }, { seed: 1 });
    const before = Array.from(await network.forward([1, 2, 3, 4]));
    out.forward = await network.profile([1, 2, 3, 4], "forward", device, 1);
    out.training = await network.call("Profile", null, "training", device, 1, 5);
    out.unchanged = JSON.stringify(before) === JSON.stringify(Array.from(await network.forward([1, 2, 3, 4])));
    const failure = (work) => work().then(() => "", (error) => `${error.name}: ${error.message}`);
    const aborted = new AbortController();
    aborted.abort();
    out.failures = [
        await failure(() => model.profile({ tokens: NaN })),
        await failure(() => model.profile({ tokens: 65 })),
        await failure(() => model.profile({ steps: 3 })),
        await failure(() => network.profile(null, "backward")),
        await failure(() => model.profile({ signal: aborted.signal })),
    ];
    await model.dispose();
    out.closed = await failure(() => model.profile());
    session.dispose();
    return out;
}
"""


def calls(profile: dict[str, Any]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for row in profile["rows"]:
        counted[row["kernel"]] = counted.get(row["kernel"], 0) + row["calls"]
    return counted


# Source: the trouble table, "profiling tools" of the original's roadmap.
@pytest.mark.parametrize("device", ["numpy", "simd"])
def test_kernels_are_timed_in_a_session(open_page: Open, isolated_url: str, tmp_path: Path, device: str) -> None:
    page = open_page(isolated_url + "index.html", bypass_csp=True)
    page.set_default_timeout(120_000)
    directory = tiny_checkpoint.write(tmp_path)
    files = [[name, list((directory / name).read_bytes())] for name in tiny_checkpoint.FILES]
    out = page.evaluate(SESSION, [device, files])
    for name in ("token", "chunk", "forward", "training"):
        profile = out[name]
        assert profile["device"].split(",")[0] == device
        assert sum(row["share"] for row in profile["rows"]) == pytest.approx(1)
        assert profile["text"].splitlines()[1].split()[:3] == ["kernel", "shapes", "calls"]
    loaded = [
        done for status, done, total in out["counted"] if (status, total) == ("measure", len(out["token"]["rows"]))
    ]
    assert loaded == sorted(set(loaded))  # those of one slice are reported together
    assert loaded[-1] == len(out["token"]["rows"])
    assert calls(out["token"])["attention"] == calls(out["chunk"])["attention"] == 2
    assert calls(out["token"])["sample"] == 1
    assert calls(out["forward"])["matmul"] == 1
    assert calls(out["training"])["matmul"] == 2 + (device == "numpy")  # which computes the gradient of the input too
    assert out["unchanged"] is True
    assert [text.partition(":")[0] for text in out["failures"]] == ["InputError"] * 4 + ["AbortError"]
    for text, place in zip(out["failures"], ("options.tokens", "tokens", "options.steps", "step"), strict=False):
        assert f": {place}: " in text
    assert out["closed"].startswith("InputError")
