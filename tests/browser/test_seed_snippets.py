"""Every JavaScript and TypeScript block of the original's documents, as written, in a page, in order.

Each block runs as a script whose top-level names the later blocks see. `SUPPLIED` adds what a block leaves to its
reader, `CHECKS` what to check afterwards. `JSON.parse(network.ListMethods())` is written in two incompatible ways:
with `[0]` for the names, and without; results have the first form, and both print the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from playwright.sync_api import Page

from loom_py.formats.source import FileSource
from loom_py.models.convert import convert_gguf
from tools import files, serve

from ..report import row
from ..seed_blocks import Block, blocks
from .conftest import Open

SCRIPTS = [*blocks("wasm", "javascript"), *blocks("readme", "javascript", "typescript")]
MODEL = "models/SmolLM2-135M-Instruct"

NETWORK = """
    const layers = [{ type: "dense", input_size: 4, output_size: 8, activation: "tanh" },
                    { type: "dense", output_size: 2, activation: "sigmoid" }];
    env.jsonConfig = JSON.stringify({ layers });
"""
SUPPLIED = {
    "wasm: What's New: Dynamic Method Exposure": NETWORK
    + """
    env.inputJSON = JSON.stringify([[0.1, 0.2, 0.3, 0.4]]);
    env.gradientsJSON = JSON.stringify([[0.1, -0.1]]);
    const batches = [{ Input: [0.1, 0.2, 0.3, 0.4], Target: [1, 0] }];
    env.batchesJSON = JSON.stringify([batches, { Epochs: 2, LearningRate: 0.1, LossType: "mse" }]);
    env.idJSON = JSON.stringify(["my_model"]);
""",
    "wasm: Model Loading (The Easy Way)": NETWORK
    + """
    env.modelJSONString = createLoomNetwork(env.jsonConfig).SaveModelToString(JSON.stringify(["model_id"]))[0];
    env.inputData = [0.1, 0.2, 0.3, 0.4];
    env.targetData = [1, 0];
""",
    "wasm: Training Example": """
    const sample = () => new Array(784).fill(0).map(() => Math.random());
    env.generateTrainingData = () => new Array(40).fill(0).map(() => ({ input: sample(), target: sample() }));
""",
    # The block shows the pattern; any method of three parameters is the one called MethodName.
    "wasm: Method Calling Convention": """
    [env.param1, env.param2, env.param3] = [0, 0, 1];
    env.network.MethodName = env.network.GetActivation;
""",
    "wasm: Type Conversion": "env.network = NewNetwork(1, 1, 1, 2);",
}
CHECKS = {
    "wasm: NEW: Simple API": "({ output: JSON.parse(output), output2, error, modelJSON, metricsData, text: output })",
    "wasm: What's New: Dynamic Method Exposure": """[
        network.ForwardCPU(inputJSON), network.BackwardCPU(gradientsJSON), network.Train(batchesJSON),
        network.SaveModelToString(idJSON), network.GetMethodsJSON(),
    ].map((answer) => Array.isArray(answer) && answer[0] !== null && JSON.parse(answer).length)""",
    "wasm: Creating Networks from JSON": "JSON.parse(network.ListMethods())[0].every((name) => name in network)",
    "wasm: Training Networks": "result[0]",
    "wasm: Forward Pass": "({ output, duration })",
    "wasm: Method Introspection": "({ methods, parsedMethods })",
    "wasm: Save/Load Models": """({
        output, first: JSON.parse(network.ForwardCPU(JSON.stringify([input])))[0], stored: savedModel === modelJSON,
    })""",
    "wasm: Grid Scatter: Multi-Agent Networks": """(() => {
        const input = { type: "dense", input_size: 4, output_size: 16, activation: "relu" };
        const network = createNetworkFromJSON(JSON.stringify({ layers: [input, value] }));
        return JSON.parse(network.ForwardCPU(JSON.stringify([[1, 2, 3, 4]])))[0];
    })()""",
    "wasm: JavaScript API": "({ tokResult, modelResult, result })",
    "wasm: Model Loading (The Easy Way)": """({
        output, saved: JSON.parse(savedJSON), changed: savedJSON !== modelJSONString,
        loss: JSON.parse(network.Train(JSON.stringify([batches, config])))[0].LossHistory,
    })""",
    "wasm: Creating Networks from Scratch": """({
        layers: [0, 1].map((k) => JSON.parse(network.GetLayer(JSON.stringify([0, 0, k])))[0])
            .map((layer) => [layer.InputHeight, layer.OutputHeight, layer.Activation, layer.Kernel.length]),
        same: JSON.stringify(JSON.parse(layer1Config).Kernel)
            === JSON.stringify(JSON.parse(network.GetLayer(JSON.stringify([0, 0, 1])))[0].Kernel),
    })""",
    "wasm: Runtime Introspection": "({ methods, names, missing: network.HasMethod('Nothing') })",
    "wasm: Forward Pass (2)": "({ output, duration })",
    "wasm: Training Loop": "null",
    "wasm: Save/Load Models (2)": """({
        output, first: JSON.parse(network.ForwardCPU(JSON.stringify([testInput])))[0],
        layers: model.models[0].cfg.layers.length,
    })""",
    "wasm: Helper Functions": """({
        dense: [denseConfig.TypeName, denseConfig.Kernel.length, denseConfig.Bias.length, denseConfig.Activation],
        mha: [mhaConfig.TypeName, mhaConfig.DModel, mhaConfig.NumHeads, mhaConfig.SeqLength],
    })""",
    "wasm: Training Example": "({ count: trainData.length })",
    "wasm: Method Calling Convention": "({ result1, result2 })",
    "wasm: Type Conversion": """({
        layer: JSON.parse(network.GetLayer("[0,0,0]"))[0], output: JSON.parse(network.ForwardCPU("[[3]]"))[0],
    })""",
    "readme: JavaScript API": """({
        output, methods, loaded: JSON.parse(loadedNetwork.ForwardCPU(JSON.stringify([input])))[0],
    })""",
    "readme: Transformer Inference - Run LLMs in Browser or Python": "null",
}
RUN = """
async ({ code, supply, check }) => {
    const env = (globalThis.env ??= {});
    const lines = [];
    const console = { log: (...parts) => lines.push(parts.join(" ")) };
    const AsyncFunction = (async () => {}).constructor;
    await new AsyncFunction("env", supply)(env);
    const literal = code.trimStart().startsWith("{"); // one block is an object, no script
    const script = literal ? `const value = (${code});` : code;
    const declared = [...script.matchAll(/^(?:const|let) (?:\\[([^\\]]+)\\]|(\\w+))/gm)]
        .flatMap(([, several, one]) => (several ? several.split(",").map((name) => name.trim()) : [one]));
    const inherited = Object.keys(env).filter((name) => !declared.includes(name));
    const names = declared.join(", ");
    const ending = `return { names: { ${names} }, value: (${check}) };`;
    const run = new AsyncFunction("console", ...inherited, `${script}\\n${ending}`);
    const { names: defined, value } = await run(console, ...inherited.map((name) => env[name]));
    Object.assign(env, defined);
    return { lines, value };
}
"""
RUN_MODULE = """
async ({ code, model }) => {
    const bytes = async (name) => new Uint8Array(await (await fetch(`${model}/${name}`)).arrayBuffer());
    globalThis.tokenizerData = await bytes("tokenizer.json");
    globalThis.configData = await bytes("config.json");
    globalThis.weightsData = await bytes("model.safetensors");
    globalThis.prompt = "The capital of France is";
    const add = (type, text) => {
        const script = Object.assign(document.createElement("script"), { type, textContent: text });
        document.head.append(script);
    };
    add("importmap", JSON.stringify({ imports: { "@openfluke/welvet": "/loom.js" } }));
    const lines = [];
    const log = console.log;
    console.log = (...parts) => lines.push({ text: parts.join(" "), at: performance.now() });
    try {
        await new Promise((resolve, reject) => {
            globalThis.finished = resolve;
            addEventListener("error", (event) => reject(event.error ?? new Error(event.message)));
            addEventListener("unhandledrejection", (event) => reject(event.reason));
            add("module", `${code}\\nfinished();`);
        });
    } finally {
        console.log = log;
    }
    return { lines, value: null };
}
"""


@pytest.fixture(scope="module")
def site_with_model(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The site with its own model converted to the layout that the documents name."""
    paths = sorted((site / "models").rglob("*.gguf"))
    if not paths:
        pytest.fail("the site has no GGUF model; run ./build_pyodide.sh build without LOOM_MODEL=none.")
    folder = tmp_path_factory.mktemp("site")
    for path in (p for p in site.rglob("*") if p.is_file() and "models" not in p.parts):
        target = folder / path.relative_to(site)
        files.place(path, target)
    with closing(FileSource(paths[0])) as source:
        convert_gguf(source, folder / MODEL, dtype="bfloat16")
    with serve.start(folder, isolated=True) as server:
        yield server.url


@pytest.fixture(scope="module")
def page(open_module_page: Open, site_with_model: str) -> Page:
    page = open_module_page(site_with_model + "index.html", bypass_csp=True)
    page.set_default_timeout(300_000)
    page.evaluate("async () => { await (await import('/loom.js')).initLoom(); }")
    return page


def check(name: str, lines: list[str], value: Any) -> None:
    """The documents' statements about each block's result."""
    match name.split(": ", 1)[1] if name.startswith("wasm") else name:
        case "NEW: Simple API":
            assert float(lines[0].removeprefix("Training complete! Final loss: ")) < 0.002
            assert value["output"][0] > 0.9
            assert value["output"][1] < 0.1
            assert value["text"] == value["output2"]  # bit for bit
            assert value["error"] is None
            assert lines[2] == "Quality Score: 100/100, Avg Deviation: 0%"
            assert lines[3] == f"Model saved ({len(value['modelJSON'])} bytes)"
        case "What's New: Dynamic Method Exposure":
            assert value == [2, 2, 1, 1, 1]
        case "Creating Networks from JSON":
            assert value is True
        case "Training Networks":
            assert [line.split(":")[0] for line in lines] == ["Initial Loss", "Final Loss", "Improvement"]
            assert value["FinalLoss"] < value["LossHistory"][0]
            assert len(value["LossHistory"]) == 100
            assert float(lines[2].removeprefix("Improvement: ").removesuffix("%")) > 0
        case "Forward Pass":
            assert len(value["output"]) == 2
            assert value["duration"] > 0
        case "Method Introspection":
            assert {"Activations", "BackwardCPU", "ForwardCPU", "Train"} <= set(value["methods"])
            assert [m["method_name"] for m in value["parsedMethods"]] == value["methods"]
            assert "ForwardCPU([]float32) -> []float32, time.Duration" in lines
            assert len(lines) == 1 + len(value["methods"]) >= 28
        case "Save/Load Models":
            assert value["stored"]
            assert value["output"] == value["first"]
        case "Grid Scatter: Multi-Agent Networks":
            assert len(value) == 24  # three agents of eight values
        case "JavaScript API":
            assert value["tokResult"]["message"] == "Tokenizer loaded successfully"
            assert value["modelResult"] | {"hidden_size": 576, "num_layers": 30} == value["modelResult"]
            assert value["result"]["success"]
            assert value["result"]["generated_text"].startswith("Once upon a time")
            assert 1 <= value["result"]["num_tokens"] <= 50
            assert lines == [value["result"]["generated_text"]]
        case "Model Loading (The Easy Way)":
            assert len(value["output"]) == 2
            assert value["saved"]["models"][0]["id"] == "model_id"
            assert value["changed"]
            assert value["loss"][-1] < value["loss"][0]
        case "Creating Networks from Scratch":
            assert value["layers"] == [[784, 392, 0, 784 * 392], [392, 10, 1, 3920]]
            assert value["same"]
        case "Runtime Introspection":
            assert lines[0] == f"Network has {len(value['methods'])} methods"
            assert len(value["methods"]) >= 24
            assert "ForwardCPU(input: []float32) -> []float32, time.Duration" in lines
            assert "ForwardCPU([]float32) ([]float32, time.Duration)" in lines[-2]
            assert lines[-1] == "Available: " + ",".join(value["names"][0])
            assert value["names"][0] == [m["method_name"] for m in value["methods"]]
            assert value["missing"] is False
        case "Forward Pass (2)":
            assert len(value["output"]) == 10
            assert all(0 < v < 1 for v in value["output"])  # a sigmoid's
            assert value["duration"] > 0
            mean = sum(value["output"]) / 10
            assert float(lines[2].removeprefix("Mean: ")) == pytest.approx(mean)
        case "Training Loop":
            assert [line.split(":")[0] for line in lines] == [f"Epoch {i}" for i in range(1, 6)]
            assert all(0 < float(line.split("= ")[1]) < 1 for line in lines)
        case "Save/Load Models (2)":
            assert value["layers"] == 2
            assert value["output"] == value["first"]
            assert len(value["output"]) == 10
        case "Helper Functions":
            assert value["dense"] == ["dense", 784 * 128, 128, 0]
            assert value["mha"] == ["multi_head_attention", 512, 8, 256]
        case "Training Example":
            assert value["count"] == 40
            losses = [float(line.split("= ")[1]) for line in lines]
            assert len(losses) == 10
            assert 0.01 < losses[0] < 1
        case "Method Calling Convention":
            assert value == {"result1": 1, "result2": None}  # the second layer's activation is the sigmoid
        case "Type Conversion":
            assert value["layer"] | {"Kernel": [1, 2], "InputHeight": 1, "OutputHeight": 2} == value["layer"]
            assert value["layer"]["Bias"] == pytest.approx([0.1, 0.2])
            assert len(value["output"]) == 2
        case "readme: JavaScript API":
            assert len(value["output"]) == 10
            assert value["loaded"] == value["output"]
            assert len(value["methods"]) >= 24
            assert f"Available methods: {len(value['methods'])}" in lines
            assert "ForwardCPU([]float32)" in lines
        case other:
            pytest.fail(f"nothing is checked of {other}")


def test_every_block_has_a_check() -> None:
    assert {block.name for block in SCRIPTS} == CHECKS.keys()


@pytest.mark.parametrize("block", SCRIPTS, ids=lambda block: block.name)
def test_block(page: Page, block: Block) -> None:
    if block.language == "typescript":
        lines: list[dict[str, Any]] = []
        for _ in range(5):  # sampled: a rare answer is too short, or about something else
            if len(lines) > 3 and about_france(lines):
                break
            page.reload()  # a page takes its import map once
            lines = page.evaluate(RUN_MODULE, {"code": block.code, "model": MODEL})["lines"]
        _check_stream(lines)
        return
    arguments = {"code": block.code, "supply": SUPPLIED.get(block.name, ""), "check": CHECKS[block.name]}
    result = page.evaluate(RUN, arguments)
    check(block.name, result["lines"], result["value"])


def about_france(lines: list[dict[str, Any]]) -> bool:
    text = "".join(line["text"] for line in lines)
    return any(word in text for word in ("Paris", "France", "capital", "city"))


def _check_stream(lines: list[dict[str, Any]]) -> None:
    """Tokens of SmolLM2, one by one, each as it arrives."""
    assert 2 <= len(lines) <= 50
    assert about_france(lines), lines
    times = [line["at"] for line in lines]
    assert times == sorted(times)
    assert median(b - a for a, b in pairwise(times)) > 1  # milliseconds of one token; not all at the end
    rate = 1000 * (len(times) - 1) / (times[-1] - times[0])
    row("SmolLM2 in Chromium", f"TypeScript snippet, page's thread, bfloat16: {rate:.1f} tokens/s")
