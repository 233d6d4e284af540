"""The JavaScript interface: the original's globals, and the promise API in the worker and on the page's thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from . import tiny_checkpoint
from .conftest import Open

DATA = Path(__file__).resolve().parent.parent / "data"


@pytest.fixture(scope="module")
def page(open_module_page: Open, any_url: str) -> Page:
    """A page of the site on which `initLoom` has run, without a policy against evaluating snippets."""
    page = open_module_page(any_url + "index.html", bypass_csp=True)
    page.evaluate("async () => { await (await import('/loom.js')).initLoom(); }")
    return page


def test_the_originals_first_example_runs_as_written(page: Page) -> None:
    snippet = (DATA / "quick_start.js").read_text()
    result = page.evaluate(
        """async (snippet) => {
            const lines = [];
            const log = { log: (...parts) => lines.push(parts.join(" ")) };
            const names = "{ output, output2, error, modelJSON, metricsData, result }";
            const run = new Function("console", `${snippet}; return ${names};`);
            return { lines, ...run(log) };
        }""",
        snippet,
    )
    assert float(result["lines"][0].removeprefix("Training complete! Final loss: ")) < 0.002
    assert result["output"] == result["output2"]  # bit for bit
    assert result["metricsData"]["score"] == 100
    assert result["lines"][2] == "Quality Score: 100/100, Avg Deviation: 0%"
    assert result["error"] is None
    assert f"Model saved ({len(result['modelJSON'])} bytes)" in result["lines"]


def test_results_destructure_and_print_as_json(page: Page) -> None:
    result = page.evaluate(
        """() => {
            const config = { layers: [{ type: "dense", input_size: 2, output_size: 3, activation: "tanh" }] };
            const network = createLoomNetwork(JSON.stringify(config));
            const returned = network.ForwardCPU(JSON.stringify([[0.5, -0.5]]));
            const [output] = returned;
            let nanoseconds = 0; // of many passes: without isolation the clock ticks ten thousand times a second
            for (let i = 0; i < 200; i++) nanoseconds += JSON.parse(network.ForwardCPU("[[0.5, -0.5]]")[1]);
            const saved = network.SaveModelToString(JSON.stringify(["m"]));
            const same = LoadModelFromString(JSON.parse(saved)[0], "m");
            return {
                equal: JSON.stringify(JSON.parse(returned)[0]) === JSON.stringify(JSON.parse(output)),
                nanoseconds,
                length: returned.length,
                array: Array.isArray(returned),
                stored: JSON.parse(`${saved}`)[0] === saved[0],
                again: String(same.ForwardCPU(JSON.stringify([[0.5, -0.5]]))[0]) === output,
                names: JSON.parse(network.ListMethods())[0],
                own: Object.keys(network),
                layers: JSON.parse(network.TotalLayers())[0],
                empty: String(network.ZeroGradients()),
                signature: network.GetMethodSignature('["ForwardCPU"]')[0],
            };
        }"""
    )
    assert result["equal"]
    assert result["array"]
    assert result["stored"]
    assert result["again"]
    assert result["length"] == 2
    assert result["nanoseconds"] > 0
    assert sorted(result["own"]) == result["names"]
    assert {"ForwardCPU", "Train", "EvaluateNetwork", "SaveModelToString", "GetMethodsJSON"} <= set(result["names"])
    assert not [name for name in result["names"] if "_" in name]
    assert result["layers"] == 1
    assert result["empty"] == "[]"
    assert result["signature"] == "ForwardCPU([]float32) ([]float32, time.Duration)"


def test_mistakes_return_sentences_and_the_module_survives(page: Page) -> None:
    result = page.evaluate(
        """() => {
            const config = { layers: [{ type: "dense", input_size: 2, output_size: 3, activation: "tanh" }] };
            const network = createNetworkFromJSON(JSON.stringify(config));
            const deep = "[".repeat(100000);
            const answers = [
                network.ForwardCPU(), network.ForwardCPU("[1,2]"), network.ForwardCPU("{"), network.ForwardCPU(5),
                network.ForwardCPU(null), network.ForwardCPU("[[1,2,3]]"), network.ForwardCPU('[["a","b"]]'),
                network.ForwardCPU(deep), network.ForwardCPU('[{"__proto__":[1,2]}]'), createLoomNetwork("nonsense"),
                createLoomNetwork(undefined), createLoomNetwork('{"layers":[{"type":"warp"}]}'),
                loadLoomNetwork("{}", "m"), LoadModelFromString("{}", 7),
            ];
            const [value, error] = network.Train(JSON.stringify([[], {}]));
            return { answers, value, error, alive: network.ForwardCPU("[[1,2]]").length };
        }"""
    )
    assert all(isinstance(answer, str) for answer in result["answers"]), result["answers"]
    assert result["answers"][:2] == ["Expected 1 parameters, got 0", "Expected 1 parameters, got 2"]
    assert "warp" in result["answers"][11]
    assert result["value"] is None
    assert "nothing to train on" in result["error"]
    assert result["alive"] == 2


def test_the_originals_text_functions(page: Page, tmp_path: Path) -> None:
    files = {n: list((tiny_checkpoint.write(tmp_path) / n).read_bytes()) for n in tiny_checkpoint.FILES}
    result = page.evaluate(
        """(files) => {
            const bytes = (name) => new Uint8Array(files[name]);
            const early = [EncodeText("x"), GenerateNextToken([1]), GenerateText("x")];
            const wrong = LoadTokenizerFromBytes("text");
            const broken = LoadTokenizerFromBytes(new Uint8Array([123]));
            const tokenizer = JSON.parse(LoadTokenizerFromBytes(bytes("tokenizer.json")));
            const model = JSON.parse(LoadTransformerFromBytes(bytes("config.json"), bytes("model.safetensors")));
            const ids = EncodeText("Grüße, 世界 🙂");
            return {
                early, wrong, broken, tokenizer, model, kind: ids.constructor.name, text: DecodeTokens(ids),
                next: GenerateNextToken(ids, 0), generated: JSON.parse(GenerateText("Once", 4, 0.7)),
            };
        }""",
        files,
    )
    assert all('"success": false' in answer or '"success":false' in answer for answer in result["early"])
    assert "expected a Uint8Array" in result["wrong"]
    assert "tokenizer.json" in result["broken"]
    assert result["tokenizer"] == {"success": True, "vocab_size": 259, "message": "Tokenizer loaded successfully"}
    assert result["model"]["num_layers"] == 2
    assert result["kind"] == "Uint32Array"
    assert result["text"] == "Grüße, 世界 🙂"
    assert isinstance(result["next"], int)
    assert result["generated"]["generated_text"].startswith("Once")


SESSION = (Path(__file__).parent / "session_api.js").read_text()


@pytest.mark.parametrize("worker", [True, False], ids=["worker", "main"])
def test_the_promise_api_is_the_same_on_both_threads(
    open_page: Open, any_url: str, tmp_path: Path, worker: bool
) -> None:
    page = open_page(any_url + "index.html")
    directory = tiny_checkpoint.write(tmp_path)
    files = [[n, list((directory / n).read_bytes())] for n in tiny_checkpoint.FILES]
    out: dict[str, Any] = page.evaluate(SESSION, {"worker": worker, "files": files})
    assert out["capabilities"]["crossOriginIsolated"] is page.evaluate("crossOriginIsolated")
    assert out["given_up"] == ("TimeoutError" if worker else "started")  # the page's thread has its Python by then
    assert out["epochs"] == 2000
    assert out["loss"] < 0.01
    assert [round(v) for v in out["outputs"]] == [0, 1, 1, 0]
    assert out["kind"] == "Float32Array"
    assert out["score"] == 4
    assert out["same"] is True
    assert out["info"]["total_layers"] == 2
    assert out["nothing"] is None
    assert out["config"] | {"text": ""} == {
        "name": "ConfigError",
        "where": "layers[0].type",
        "text": "",
        "kinds": ["ConfigError"],
    }
    assert out["format"]["kinds"] == ["FormatError"]
    assert "multiple of 2" in out["input"]["text"]
    assert out["nofiles"]["name"] == "InputError"
    assert out["reason"] is True
    assert 50 < out["stoppedAfter"] < 200_000  # of a million: a fast device does thousands in a slice
    assert out["meanwhile"]["kinds"] == ["InputError"]
    assert "is being trained" in out["meanwhile"]["text"]
    assert out["usable"] is True
    assert out["early"]["name"] == "AbortError"
    assert 2 <= len(out["pieces"]) <= 6
    assert out["pieces"][-1]["done"] is True
    assert out["pieces"][-1]["finishReason"] in ("stop", "length")
    assert out["pieces"][-1]["stats"]["tokens"] == len(out["pieces"]) - 1
    assert out["repeated"] is True
    assert out["aborted"]["name"] == "AbortError"
    assert out["option"]["where"] == "options.heat"
    assert out["left"] == 0
    assert "disposed" in out["disposed"]["text"]
    assert out["symbol"] in ("function", "undefined")
    if worker:
        assert out["after"]["name"] == "RuntimeFailure"
    assert out["statuses"] == ["runtime", "starting", "ready"]


def test_the_front_pages_example_runs(page: Page) -> None:
    """The ten lines that the front page shows, verbatim."""
    code = page.locator("pre code").inner_text().replace('"./loom.js"', '"/loom.js"')
    code = code.replace('import { loom } from "/loom.js";', 'const { loom } = await import("/loom.js");')
    code = code.replace("console.log(", "return Array.from(")
    output = page.evaluate("(code) => new (async () => {}).constructor(code)()", code)
    assert output[0] > 0.9


def test_a_missing_runtime_is_reported(open_page: Open, isolated_url: str) -> None:
    page = open_page(isolated_url + "index.html", allowed=["404", "Failed to load"])
    page.context.route("**/pyodide/**", lambda route: route.fulfill(status=404))
    error = page.evaluate(
        """async () => {
            const { loom } = await import("/loom.js");
            return loom.start().then(() => null, ({ name, text }) => ({ name, text }));
        }"""
    )
    assert error["name"] == "RuntimeFailure"
    assert "Reload the page" in error["text"]
