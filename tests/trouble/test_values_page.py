"""Values that cross from JavaScript to Python: wrong ones are errors that name the argument, in both interfaces."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser import tiny_checkpoint
from tests.browser.conftest import Open

SETUP = """async (files) => {
    const { initLoom, loom } = await import("/loom.js");
    await initLoom();
    const session = await loom.start();
    const config = { layers: [{ type: "dense", input_size: 2, output_size: 1, activation: "linear" }] };
    const network = await session.createNetwork(config, { seed: 1 });
    const local = createLoomNetwork(JSON.stringify(config));
    const model = await session.loadModel(files.map(([name, bytes]) => new File([new Uint8Array(bytes)], name)));
    const text = async (pieces) => {
        let all = "";
        for await (const piece of pieces) all += piece.text;
        return all;
    };
    const upper = [{ Input: [0, 1], Target: [1] }];
    const lower = [{ input: [0, 1], target: [1] }];
    const flat = (rows) => rows.flat();
    window.scope = { flat, loom, session, config, network, local, model, text, upper, lower };
    window.attempt = async (code) => {
        const names = Object.keys(scope).join(", ");
        try {
            const value = await new Function(`{ ${names} }`, `return (${code});`)(scope);
            const many = ArrayBuffer.isView(value) || Array.isArray(value);
            return { value: many ? Array.from(value, (v) => (typeof v === "number" ? Math.fround(v) : v)) : value };
        } catch (error) {
            return { name: error.name, message: error.message, where: error.where };
        }
    };
}"""


@pytest.fixture(scope="module")
def page(open_module_page: Open, plain_url: str, tmp_path_factory: pytest.TempPathFactory) -> Page:
    page = open_module_page(plain_url + "index.html", bypass_csp=True)
    page.set_default_timeout(120_000)
    directory = tiny_checkpoint.write(tmp_path_factory.mktemp("model"))
    page.evaluate(SETUP, [[name, list((directory / name).read_bytes())] for name in tiny_checkpoint.FILES])
    return page


def attempt(page: Page, code: str) -> dict[str, Any]:
    return page.evaluate("(code) => attempt(code)", code)


def check_refused(page: Page, cases: dict[str, tuple[str, str]]) -> None:
    """Each is an `InputError`, or a `ConfigError` of a configuration, at its place, which the message has too."""
    problems = []
    for code, (where, part) in cases.items():
        result = attempt(page, code)
        fine = result.get("name") in ("InputError", "ConfigError") and result["where"] == where
        if not (fine and part in result["message"] and result["message"].startswith(where)):
            problems.append(f"{code}: {result}")
    assert not problems, "\n".join(problems)


# Source: the trouble table, options that JSON cannot hold, found by fuzzing; its siblings besides.
def test_options_are_checked_before_they_cross(page: Page) -> None:
    check_refused(
        page,
        {
            "network.train(lower, {learningRate: NaN})": ("options.learningRate", "expected a finite number, got NaN"),
            "network.train(lower, {epochs: Infinity})": ("options.epochs", "got Infinity"),
            "network.train(lower, {epochs: null})": ("config.epochs", "got null"),
            "network.train(lower, {epochs: '3'})": ("config.epochs", "expected a whole number, got a string"),
            "network.train(lower, {validationTargets: [1, , 2]})": ("options.validationTargets[1]", "got undefined"),
            "network.train(lower, {optimizer: {Type: 'adamw', Beta1: NaN}})": ("options.optimizer.Beta1", "got NaN"),
            "network.train(lower, {callbacks: () => 1})": ("options.callbacks", "got a function"),
            "network.train(lower, 3)": ("options", "expected an object of options, got a number"),
            "network.train(lower, {}, {signal: new AbortController()})": ("control.signal", "got an AbortController"),
            "text(model.chat('hi', {temperature: Infinity}))": ("options.temperature", "got Infinity"),
            "text(model.chat('hi', {maxTokens: Infinity}))": ("options.maxTokens", "got Infinity"),
            "text(model.complete('hi', {topP: NaN}))": ("options.topP", "got NaN"),
            "text(model.complete('hi', {seed: null}))": ("options.seed", "got null"),
            "text(model.complete('hi', {stop: ['a', undefined]}))": ("options.stop[1]", "got undefined"),
            "text(model.chat('hi', 'fast'))": ("options", "expected an object of options, got a string"),
            "session.createNetwork(config, {seed: '1'})": ("options.seed", "got a string"),
            "session.createNetwork(config, {seed: 1.5})": ("options.seed", "expected a whole number, got 1.5"),
            "session.createNetwork(config, {sede: 1})": ("options.sede", "Known: seed"),
            "session.createNetwork({layers: [{...config.layers[0], x: NaN}]})": ("config.layers[0].x", "got NaN"),
            "session.createNetwork({layers: new Map()})": ("config.layers", "expected a plain value, got a Map"),
            "session.createAdaptationTracker(NaN, 10)": ("windowMs", "got NaN"),
            "session.create('AdaptationTracker', 100, Infinity)": ("parameter 1", "got Infinity"),
            "session.useDevice('gpu')": ("device", 'there is no "gpu"'),
            "network.createStepState(2, {batch: NaN})": ("options.batch", "got NaN"),
            "network.createStepState('2')": ("inputSize", "got a string"),
            "network.watch(() => {}, {interval: '16'})": ("options.interval", "got a string"),
            "network.watch()": ("onActivity", "missing"),
            "network.trainWithStepping({LearningRate: NaN}, upper, 5)": ("parameter 0.LearningRate", "got NaN"),
            "network.call('UpdateWeights', NaN)": ("parameter 0", "got NaN"),
            "loom.start({threads: NaN})": ("options.threads", "got NaN"),
            "loom.start({device: 'cuda'})": ("options.device", 'there is no "cuda"'),
            "loom.start({baseURL: 'http://'})": ("options.baseURL", "is no address"),
            "loom.start({baseURL: 5})": ("options.baseURL", "expected an address"),
            "session.loadModel('a/b', {keep: 'always'})": ("options.keep", 'Choose "try", "must", "never"'),
            "session.loadModel({files: [{name: 'x', url: 'x', size: '5'}]})": ("source.files[0].size", "got a string"),
            "session.storage.remove()": ("name", "missing: a string is required"),
            # the original's globals and objects
            "local.train(upper, {LearningRate: NaN})": ("config.LearningRate", "got NaN"),
            "local.train(upper, {Epochs: null})": ("config.Epochs", "got null"),
            "local.createStepState(2, {batch: 0})": ("options.batch", "at least 1"),
            "createAdaptationTracker(100)": ("totalMs", "missing: a number is required"),
            "createLoomObject('AdaptationTracker', 100, NaN)": ("parameter 1", "got NaN"),
        },
    )


# Source: the trouble table; the original's form answers in sentences.
def test_the_originals_form_names_the_option_too(page: Page) -> None:
    answers = {
        "local.Train(JSON.stringify([upper, {LearningRate: NaN}]))": "config.LearningRate: expected a number, got null",
        "NewNetwork(NaN)": "inputSize: expected a finite number, got NaN",
        "NewNetwork(4, '2')": "rows: expected a number, got a string",
        "NewNetwork()": "inputSize: missing: a number is required",
        "InitDenseLayer(4, NaN, 0)": "parameters[1]: expected a finite number, got NaN",
        "createLoomNetwork(JSON.stringify({layers: [{...config.layers[0], dropout: 1 / 0}]}))": "dropout",
        "JSON.parse(GenerateText('x', Infinity)).error": "maxTokens: expected a finite number, got Infinity",
        "JSON.parse(DecodeTokens([1, , 3])).error": "ids[1]: expected a value, got undefined",
        "local.ForwardCPU('[[1, null]]')": "parameter 0[1]: invalid slice element type: expected float, got null",
    }
    for code, part in answers.items():
        result = attempt(page, code)
        assert part in str(result.get("value")), (code, result)


# Source: the trouble table, options left out and arguments of the wrong kind, found by newcomers.
def test_optional_options_are_optional_and_the_rest_is_named(page: Page) -> None:
    for code in (
        "network.train(lower)",
        "network.train(lower, null)",
        "network.train(lower, undefined, null)",
        "network.train(lower, {epochs: undefined})",
        "network.train(lower, {optimizer: null})",
        "local.train(lower)",
        "session.createNetwork(config, undefined).then((n) => n.dispose())",
        "session.createNetwork(config, null).then((n) => n.dispose())",
        "text(model.complete('Once', {maxTokens: 2, stop: undefined, signal: undefined}))",
        "network.createStepState().then((s) => s.dispose())",
    ):
        result = attempt(page, code)
        assert "name" not in result, (code, result)
    check_refused(
        page,
        {
            "session.loadNetwork({layers: []})": ("text", "expected a string, got an object. Give the text of"),
            "session.loadNetwork('{}')": ("id", "missing: a string is required"),
            "session.createNetwork()": ("config", "missing: a configuration is required"),
            "session.createNetwork(null)": ("config", "got null"),
            "session.createNetwork([])": ("config", "got an array"),
            "text(model.chat())": ("messages", "missing: a question or an array of messages is required"),
            "text(model.chat(undefined, {maxTokens: 2}))": ("messages", "missing"),
            "text(model.chat({role: 'user', content: 'x'}))": ("messages", "got an object"),
            "text(model.chat(['hi']))": ("messages[0]", "expected {role, content}, got a string"),
            "text(model.chat([{content: 'hi'}]))": ("messages[0].role", "missing"),
            "text(model.complete())": ("prompt", "missing: a string is required"),
            "text(model.complete(5))": ("prompt", "got a number"),
            "network.evaluate([[1, 2]], [undefined])": ("expected[0]", "expected a number, got undefined"),
            "network.evaluate([[1, 2]])": ("expected", "missing: an array of numbers is required"),
            "network.evaluate([[1, 'x']], [0])": ("inputs[0][1]", "got a string"),
            "network.evaluate()": ("inputs", "missing"),
            "network.save()": ("id", "missing"),
            "network.call()": ("method", "missing"),
            "network.train()": ("batches", "missing"),
            "session.create()": ("kind", "missing"),
            "session.loadModel([{name: 'm.gguf'}])": ("source[0]", "expected a File, got an object"),
            "session.loadModel({kept: 5})": ("source.kept", "got a number"),
            "local.evaluate([[1, 2]], [undefined])": ("expected[0]", "got undefined"),
            "local.saveModel()": ("id", "missing"),
            "local.train()": ("batches", "missing"),
        },
    )


# Source: the trouble table, gaps in arrays of numbers, found by fuzzing.
def test_gaps_in_arrays_of_numbers_have_an_index(page: Page) -> None:
    check_refused(
        page,
        {
            "network.forward([3, null])": ("input[1]", "expected a number, got null"),
            "network.forward([3, undefined])": ("input[1]", "got undefined"),
            "network.forward([, 3])": ("input[0]", "got undefined"),
            "network.forward([3, '4'])": ("input[1]", "got a string"),
            "network.forward([3n, 4])": ("input[0]", "got a bigint"),
            "network.forward([[1, 2], [3, null]])": ("input[1][1]", "got null"),
            "network.forward([[1, 2], , [3, 4]])": ("input[1]", "missing"),
            "network.forward({length: 2, 0: 1})": ("input[1]", "got undefined"),
            "network.forward(new BigInt64Array(2))": ("input[0]", "got a bigint"),
            "network.train([{input: [1, null], target: [1]}])": ("batches[0].input[1]", "got null"),
            "network.train([{input: [1, 2], target: [undefined]}])": ("batches[0].target[0]", "got undefined"),
            "network.train([lower[0], null])": ("batches[1]", "expected {input, target}, got null"),
            "network.train(null)": ("batches", "got null"),
            "network.forwardCPU([1, undefined])": ("parameter 0[1]", "got undefined"),
            "network.forwardCPU([1, null])": ("parameter 0[1]", "got null"),
            "network.call('ForwardCPU', [NaN, 1])": ("parameter 0[0]", "got NaN"),
            "local.forward([3, null])": ("input[1]", "got null"),
            "local.forward([3, , 4])": ("input[1]", "got undefined"),
            "local.train([{Input: [1, null], Target: [1]}])": ("batches[0].Input[1]", "got null"),
            "local.forwardCPU([1, undefined])": ("parameter 0[1]", "got undefined"),
        },
    )


# Source: the trouble table, typed arrays where the documents promise them; found by a newcomer.
def test_typed_arrays_and_both_spellings_of_batches(page: Page) -> None:
    page.evaluate(
        "async () => { scope.wide = await scope.session.createNetwork("
        "{ layers: [{ type: 'dense', input_size: 8, output_size: 3, activation: 'linear' }] }, { seed: 2 }); }"
    )
    same = {
        "network.call('ForwardCPU', new Float32Array([1, 2])).then((r) => r[0])": "network.forward([1, 2])",
        "network.call('ForwardCPU', new Uint8Array([1, 2])).then((r) => r[0])": "network.forward([1, 2])",
        "network.call('Forward', [new Int8Array([1, 2]), [3, 4]]).then(flat)": "network.forward([1, 2, 3, 4])",
        "network.forward([[1, 2], [3, 4]])": "network.forward([1, 2, 3, 4])",
        "network.forward([new Float32Array([1, 2]), [3, 4]])": "network.forward([1, 2, 3, 4])",
        "network.forward(new Set([1, 2]))": "network.forward([1, 2])",
        "wide.forward([[1, 2, 3, 4, 5, 6, 7, 8]])": "wide.forward([1, 2, 3, 4, 5, 6, 7, 8])",
        "local.forward([[1, 2], [3, 4]])": "local.forward([1, 2, 3, 4])",
    }
    for one, other in same.items():
        left, right = attempt(page, one), attempt(page, other)
        assert left == right, (one, left, right)
        assert "value" in left, left
    page.evaluate("""() => { scope.batches = {
        lower: scope.lower, upper: scope.upper,
        plural: [{ Inputs: [0, 1], Targets: [1] }],
        rows: [{ Inputs: [[0, 1]], Targets: [[1]] }],
        typed: [{ Input: new Float32Array([0, 1]), Target: new Float64Array([1]) }],
        pairs: [[[0, 1], [1]]],
        iterable: new Set(scope.lower),
    }; }""")
    losses = set()
    for spelling in ("lower", "upper", "plural", "rows", "typed", "pairs", "iterable"):
        for target in ("network", "local"):
            once = "await scope.session.createNetwork(scope.config, { seed: 5 })"
            if target == "local":
                once = "createLoomNetwork(JSON.stringify({ ...scope.config, seed: 5 }))"
            result = page.evaluate(
                f"""async () => {{
                    const options = {{ Epochs: 3, LearningRate: 0.1 }};
                    return (await ({once}).train(scope.batches.{spelling}, options)).FinalLoss;
                }}"""
            )
            losses.add(round(result, 5))
    assert len(losses) == 1
    check_refused(
        page,
        {
            "network.train([{Input: [0, 1], Label: [1]}])": (
                "batches[0].Label",
                "unknown key 'Label'. Known: input, target.",
            ),
            "network.train([{input: [0, 1]}])": ("batches[0].target", "missing: an array of numbers is required"),
            "network.train([{input: [0, 1], Inputs: [0, 1], target: [1]}])": ("batches[0].Inputs", "second input"),
            "local.train([{inputs: [0, 1], output: [1]}])": ("batches[0].output", "unknown key 'output'"),
        },
    )


# Source: the trouble table, inputs of a wrong shape; found by newcomers, who saw no place and no remedy in `e.message`.
def test_a_wrong_shape_is_told_with_place_and_remedy(page: Page) -> None:
    check_refused(
        page,
        {
            "network.forward()": ("input", "missing: an array of numbers is required"),
            "network.forward('hello')": ("input", "expected an array of numbers, got a string"),
            "network.forward(5)": ("input", "expected an array of numbers, got a number"),
            "network.forward({})": ("input", "expected an array of numbers, got an object"),
            "network.forward([])": ("input", "is empty"),
            "network.forward([1, 2, 3])": ("input", "expected a multiple of 2 values, got 3. Give 2 numbers a sample."),
            "network.forward([[1, 2, 3]])": ("input", "expected 2 values a sample, got 3"),
            "network.forward([[1, 2], [3]])": ("input[1]", "expected 2 values as in the first row, got 1"),
            "local.forward()": ("input", "missing: an array of numbers is required"),
            "local.forward('hello')": ("input", "got a string"),
            "network.train([{input: [1, 2, 3], target: [1]}])": (
                "batches[0].Input",
                "expected a multiple of 2 values, got 3",
            ),
            "network.train([{input: [1, 2], target: [1, 2]}])": ("batches[0].Target", "expected 1 values, got 2"),
        },
    )


# Source: the trouble table, a network of one session given to another, by attack: it named another object there.
def test_objects_of_another_session_are_refused(page: Page) -> None:
    page.evaluate("""async () => {
        const { session, network, local } = scope;
        scope.main = await scope.loom.start({ worker: false });
        scope.state = await network.createStepState();
        scope.foreign = await scope.main.createNetwork(scope.config, { seed: 9 });
        scope.observer = await session.create("RecordingObserver");
    }""")
    part = "belongs to another session. Create or load it in this one."
    check_refused(
        page,
        {
            "session.create('StepState', foreign)": ("parameter 0", part),
            "network.call('StepForward', local.createStepState())": ("parameter 0", part),
            "foreign.call('StepForward', state)": ("parameter 0", part),
            "local.addObserver(observer)": ("parameter 0", part),
            "network.trainWithStepping({Observers: [foreign]}, upper, 1)": ("parameter 0.Observers[0]", part),
        },
    )
    # One thread has one Python, whichever interface made the object.
    assert "name" not in attempt(page, "foreign.call('StepForward', local.createStepState())")
