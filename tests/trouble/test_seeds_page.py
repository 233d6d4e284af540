"""What the original's documents promise and was missing, in a page: on its thread as `initLoom` starts it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from loom_py import DeviationMetrics
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


BUNDLES = """
async () => {
    const layer = (size) => ({ type: "dense", input_size: 2, output_size: size });
    const config = (size) => JSON.stringify({ seed: size, layers: [layer(size)] });
    const [a, b] = [3, 4].map((size) => createNetworkFromJSON(config(size)));
    const run = (network) => Array.from(network.forward([0.5, -1]));
    const out = { a: run(a), b: run(b) };

    // the methods of a network, in the original's form and on plain values
    const [text] = b.SaveModelToString(JSON.stringify(["b"]));
    const [loaded, problem] = a.LoadModelFromString(JSON.stringify([text, "b"]));
    out.method = [run(loaded), problem, run(a.loadModelFromString(text, "b")), typeof loaded.ForwardCPU];
    out.wrong = a.LoadModelFromString(JSON.stringify([text, "c"]));

    // files and texts by the documents' names
    out.saved = SaveBundle("models.json", { model_a: a, model_b: b });
    const bundle = LoadBundle("models.json");
    out.ids = bundle.modelIDs();
    out.file = run(bundle.getModel("model_b"));
    const [all] = bundle.SaveToString();
    out.text = run(LoadBundleFromString(all).GetModel(JSON.stringify(["model_a"]))[0]);
    out.missing = LoadBundle("none.json");
    out.path = LoadBundleFromString("models.json");
    out.object = SaveBundle("models.json", { model_a: {} });

    // promises; the first network of this session comes out of a bundle
    const { loom } = await import("/loom.js");
    const session = await loom.start({ worker: false });
    const { model_a, model_b } = await session.loadBundle(all);
    out.session = [Array.from(await model_a.forward([0.5, -1])), Array.from(await model_b.forward([0.5, -1]))];
    const again = await session.loadBundle(await session.saveBundle({ x: model_b, y: model_a }));
    out.keys = Object.keys(again);
    out.x = Array.from(await again.x.forward([0.5, -1]));
    const other = await model_a.call("LoadModelFromString", all, "model_b");
    out.call = Array.from(await other.forward([0.5, -1]));
    return out;
}
"""


# Source: the trouble table, several models from JavaScript and `LoadModelFromString` as a method.
def test_bundles_and_models_of_a_network(page: Page) -> None:
    out = page.evaluate(BUNDLES)
    a, b = out["a"], out["b"]
    assert (len(a), len(b)) == (3, 4)
    assert out["method"] == [b, None, b, "function"]
    assert out["wrong"][0] is None
    assert "model ID 'c' not found in bundle" in out["wrong"][1]
    assert out["saved"] is None
    assert out["ids"] == ["model_a", "model_b"]
    assert (out["file"], out["text"]) == (b, a)
    assert "none.json" in out["missing"]
    assert "Use load_bundle." in out["path"]
    assert "expected a Network, got an object" in out["object"]
    assert out["session"] == [a, b]
    assert out["keys"] == ["x", "y"]
    assert out["x"] == out["call"] == b


METRICS = """
async () => {
    const { loom, EvaluationMetrics } = await import("/loom.js");
    const layers = [{ type: "dense", input_size: 1, output_size: 1, activation: "linear" }];
    const validation = { ValidationInputs: [[1], [2]], ValidationTargets: [1, 2], EvaluateEveryN: 1 };
    const network = createNetworkFromJSON(JSON.stringify({ seed: 3, layers }));
    const inputs = [[0.5], [1], [2], [-3]];
    const metrics = network.evaluate(inputs, [0.5, 4, 0, 1]);
    const out = { record: JSON.parse(metrics), summary: metrics.summary() };
    out.text = JSON.parse(network.EvaluateNetwork(JSON.stringify([inputs, [0.5, 4, 0, 1]])))[0];
    const lines = [];
    const log = console.log;
    console.log = (text) => lines.push(text);
    metrics.PrintSummary();
    console.log = log;
    out.printed = lines.join() === out.summary;
    const [worst] = metrics.GetWorstSamples(1);
    out.worst = [worst.SampleIndex, worst.ExpectedOutput === worst.expected, worst.Deviation === worst.deviation];
    out.names = metrics.Score === metrics.score && metrics.AverageDeviation === metrics.avg_deviation;
    out.bucket = metrics.GetSamplesInBucket("100%+");
    try {
        metrics.getSamplesInBucket("5%");
    } catch (error) {
        out.wrong = [error.name, error.text];
    }
    const result = network.train([{ Input: [1], Target: [1] }], { Epochs: 1, ...validation });
    out.trained = result.EvalMetrics.GetWorstSamples(5).length;
    out.saved = metrics.saveMetrics();
    out.loaded = LoadMetrics(out.saved).summary() === out.summary && EvaluationMetrics.load(out.saved).score;
    const session = await loom.start({ worker: false });
    const same = await session.createNetwork({ seed: 3, layers });
    const remote = await same.evaluate(inputs, [0.5, 4, 0, 1]);
    out.same = [remote.summary(), (await same.call("EvaluateNetwork", inputs, [0.5, 4, 0, 1])).summary()];
    const done = await same.train([{ input: [1], target: [1] }], { epochs: 1, ...validation });
    out.done = done.EvalMetrics instanceof EvaluationMetrics;
    globalThis.metrics = metrics;
    return out;
}
"""


# Source: the trouble table, the methods of an evaluation in the page.
def test_methods_of_an_evaluation(page: Page) -> None:
    out = page.evaluate(METRICS)
    assert out["record"] == out["text"]
    metrics = DeviationMetrics.from_json(out["record"])
    assert out["summary"] == metrics.summary()
    assert out["same"] == [out["summary"], out["summary"]]
    assert out["printed"] is out["names"] is out["done"] is True
    assert out["worst"] == [metrics.get_worst_samples(1)[0].sample_index, True, True]
    assert out["bucket"] == metrics.get_samples_in_bucket("100%+")
    assert out["wrong"][0] == "InputError"
    assert "unknown bucket '5%'. Known: 0-10%, " in out["wrong"][1]
    assert out["trained"] == 2
    assert out["loaded"] == metrics.score
    assert DeviationMetrics.from_json(json.loads(out["saved"])).to_json() == metrics.to_json()
    with page.expect_download() as download:
        page.evaluate('metrics.SaveMetrics("evaluation.json")')
    assert download.value.suggested_filename == "evaluation.json"
    assert DeviationMetrics.load_metrics(str(download.value.path())).summary() == out["summary"]


NO_GPU = """
async () => {
    const network = createNetworkFromJSON('{"layers": [{"type": "dense", "input_size": 1, "output_size": 1}]}');
    const out = { form: network.InitGPU() };
    const { loom } = await import("/loom.js");
    const session = await loom.start({ worker: false });
    const other = await session.createNetwork({ layers: [{ type: "dense", input_size: 1, output_size: 1 }] });
    out.promise = await other.call("InitGPU").catch((error) => [error.name, error.text]);
    return out;
}
"""


# Source: the trouble table, `InitGPU()` in a page without WebGPU.
def test_init_gpu_without_a_gpu(page: Page) -> None:
    out = page.evaluate(NO_GPU)
    text = out["form"] if isinstance(out["form"], str) else str(out["form"][1])
    assert out["promise"][0] == "DeviceError"
    for said in (text, out["promise"][1]):
        assert "is not available in this page" in said
        assert "Use a browser with WebGPU" in said
        assert "pip" not in said


# Source: the trouble table, times of layers on CPU and GPU, in the page of devices.
def test_the_page_of_devices_times_layers(open_page: Open, plain_url: str) -> None:
    page = open_page(plain_url + "devices.html")
    page.set_default_timeout(120_000)
    page.select_option("#scale", "0.01")
    page.click("#time")
    expect(page.locator("#summary")).to_have_text("All layers were timed.", timeout=120_000)
    rows = page.eval_on_selector_all(
        "#timings tr", "rows => rows.map((row) => [...row.cells].map((c) => c.textContent))"
    )
    assert {row[0] for row in rows} == {"dense", "attention", "conv2d", "rnn", "lstm"}
    assert {row[1] for row in rows} == {"numpy", "simd"}
    assert all(row[2].endswith(" ms") and float(row[3].removesuffix(" ms")) > 0 for row in rows)
