"""What the original's documents promise and was missing: names, bundles, metrics, examples."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest

import loom_py
from loom_py import DeviationMetrics, Network, build_network_from_json
from loom_py.compat import import_name
from loom_py.errors import ConfigError, DeviceError, FormatError, InputError, ModelError, install_remedy
from loom_py.models import registry
from loom_py.network import reflection
from loom_py.runtime import choice
from loom_py.training.evaluation import evaluate_model
from tests.seed_blocks import blocks
from tools import paths

CONFIG = {"layers": [{"type": "dense", "input_size": 3, "output_size": 2, "activation": "tanh"}]}
METHODS = """
    ForwardCPU BackwardCPU UpdateWeights Train SaveModelToString LoadModelFromString InitializeWeights ResetState
    GetMethodsJSON ListMethods GetMethodSignature HasMethod GetLayer SetLayer TotalLayers Activations
"""
"""The WASM document's list of methods that every network has."""


def two() -> dict[str, Network]:
    return {name: build_network_from_json(CONFIG, seed=seed) for seed, name in enumerate(("model_a", "model_b"))}


X = [0.1, -0.2, 0.3]


class Environment:
    """A Python environment of its own that sees this checkout and the packages of the one that runs the tests."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        (self.packages,) = folder.glob("lib/python*/site-packages")
        seen = f"{paths.REPOSITORY}\n{sysconfig.get_path('purelib')}\n"
        (self.packages / "seen.pth").write_text(seen, encoding="utf-8")

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [str(self.python), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.packages.parent)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("environment"))


# Source: the trouble table, `import welvet`.
def test_the_block_runs_as_a_script_after_one_command(environment: Environment, tmp_path: Path) -> None:
    script = tmp_path / "quick_example.py"
    (block,) = (b for b in blocks("readme", "python") if b.name == "readme: Quick Example")
    script.write_text(block.code, encoding="utf-8")
    assert "No module named 'welvet'" in environment.run(script).stderr
    first = environment.run("-m", "loom_py", "welvet")
    assert "`import welvet` now gives loom_py.simple" in first.stdout, first.stderr
    done = environment.run(script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Epoch 1: loss = ")
    assert "unknown again" in environment.run("-m", "loom_py", "welvet", "--remove").stdout
    assert "No module named 'welvet'" in environment.run(script).stderr


# Sibling: the original's package, installed before or after, is what its name gives.
def test_the_originals_package_is_not_hidden(environment: Environment) -> None:
    environment.run("-m", "loom_py", "welvet")
    original = environment.packages / "welvet"
    original.mkdir()
    (original / "__init__.py").write_text("author = 'the original'\n", encoding="utf-8")
    try:
        for code in ("import welvet", "import loom_py; loom_py.provide_welvet(); import welvet"):
            assert environment.run("-c", f"{code}; print(welvet.author)").stdout == "the original\n"
        environment.run("-m", "loom_py", "welvet", "--remove")
        record = json.loads(environment.run("-m", "loom_py", "welvet", "--json").stdout)
        assert record == {"file": str(original / "__init__.py"), "installed": False}
        assert not (environment.packages / "welvet.py").exists()
    finally:
        (original / "__init__.py").unlink()
        original.rmdir()


# Sibling: a module of the user's own with that name is neither overwritten nor removed.
def test_another_module_of_that_name_stays(environment: Environment) -> None:
    own = environment.packages / "welvet.py"
    own.write_text("mine = 1\n", encoding="utf-8")
    try:
        assert "stays" in environment.run("-m", "loom_py", "welvet").stdout
        assert "nothing to remove" in environment.run("-m", "loom_py", "welvet", "--remove").stdout
        assert own.read_text(encoding="utf-8") == "mine = 1\n"
    finally:
        own.unlink()


# Sibling: in a notebook, where no file can be written.
def test_one_call_in_a_process(environment: Environment) -> None:
    code = "import loom_py\nloom_py.provide_welvet()\nfrom welvet import create_network_from_json\nimport welvet"
    done = environment.run("-c", f"{code}\nprint(welvet is loom_py.simple)")
    assert done.stdout == "True\n", done.stderr


def test_provide_and_withdraw() -> None:
    import_name.provide()
    import_name.provide()
    finders = [f for f in sys.meta_path if type(f).__module__ == import_name.__name__]
    assert len(finders) == 1
    assert finders[0] is sys.meta_path[-1]
    import_name.withdraw()
    import_name.withdraw()
    assert "welvet" not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        __import__("welvet")


# Source: the trouble table, `network.LoadModelFromString` as a method; siblings: every method that the document lists.
@pytest.mark.parametrize("name", METHODS.split())
def test_the_methods_that_the_document_lists(name: str) -> None:
    assert reflection.member(Network, name) is not None


def test_a_network_loads_another_one() -> None:
    a, b = two().values()
    b.train([{"Input": X, "Target": [1, 0]}], {"Epochs": 2, "Optimizer": "adamw"})
    before = a.forward(X)
    again = a.load_model_from_string(b.save_model_to_string("m"), "m")
    np.testing.assert_array_equal(again.forward(X), b.forward(X))
    np.testing.assert_array_equal(a.forward(X), before)
    assert again.get_optimizer() == b.get_optimizer()
    with pytest.raises(FormatError, match="'n' not found"):
        a.load_model_from_string(b.save_model_to_string("m"), "n")


# Source: the trouble table, bundles by path and by text.
def test_bundles_by_the_documents_names(tmp_path: Path) -> None:
    models, file = two(), tmp_path / "models.json"
    loom_py.save_bundle(file, models)
    for bundle in (loom_py.load_bundle(file), loom_py.load_bundle(str(file))):
        assert list(bundle) == bundle.model_ids() == ["model_a", "model_b"]
        np.testing.assert_array_equal(bundle["model_b"].forward(X), models["model_b"].forward(X))
    again = loom_py.load_bundle_from_string(loom_py.ModelBundle(models).save_to_string())
    np.testing.assert_array_equal(again.get_model("model_a").forward(X), models["model_a"].forward(X))
    loom_py.save_bundle(file, again, "safetensors")  # a bundle is a mapping
    assert len(loom_py.load_bundle(file)) == 2


# Siblings: a path where a text belongs, and the other way round, says which name is meant.
def test_paths_and_texts_are_told_apart(tmp_path: Path) -> None:
    text = loom_py.dump_bundle(two())
    for call, name in (
        (lambda: loom_py.load_bundle(text), "load_bundle_from_string"),
        (lambda: loom_py.load_bundle_from_string("models/models.json"), "load_bundle"),
        (lambda: loom_py.load_model(text, "model_a"), "load_model_from_string"),
        (lambda: loom_py.load_model_from_string("m.json", "m"), "load_model"),
        (lambda: build_network_from_json("net.json"), "its text"),
    ):
        with pytest.raises(InputError, match=name):
            call()
    with pytest.raises(InputError, match=r"none\.json: cannot be read"):
        loom_py.load_bundle(tmp_path / "none.json")


# Sibling: adding to a bundle loses nothing.
def test_a_bundle_keeps_what_it_has(tmp_path: Path) -> None:
    bundle = loom_py.ModelBundle(two())
    text = bundle.save_to_string()
    with pytest.raises(InputError, match="two models are called 'model_a'"):
        bundle.load_from_string(text)
    with pytest.raises(InputError, match="It has: 'model_a', 'model_b'"):
        bundle.get_model("c")
    with pytest.raises(InputError, match="expected a network, got dict"):
        loom_py.ModelBundle({"m": {}})  # type: ignore[dict-item]
    bundle.remove_model("model_a")
    assert bundle.model_ids() == ["model_b"]
    bundle.save_to_file(str(tmp_path / "b.json"))
    other = loom_py.ModelBundle()
    other.load_from_file(str(tmp_path / "b.json"))
    assert list(other) == ["model_b"]


# Source: the trouble table, evaluation by the documents' names and as they print it. The document's own figures.
DOCUMENTED = """\
Deviation Distribution:
     0-10%:   45 samples (45.0%) ██████████████████████
    10-20%:   18 samples (18.0%) █████████
    20-30%:   12 samples (12.0%) ██████
    30-40%:    8 samples (8.0%)  ████
    40-50%:    6 samples (6.0%)  ███
   50-100%:    8 samples (8.0%)  ████
     100%+:    3 samples (3.0%)  █
"""
COUNTS = {5: 45, 15: 18, 25: 12, 35: 8, 45: 6, 80: 8, 133.333333: 3}


def documented() -> DeviationMetrics:
    actual = [3 + 0.03 * deviation for deviation, count in COUNTS.items() for _ in range(count)]
    return evaluate_model([3.0] * len(actual), actual)


def test_the_report_is_the_documents(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    metrics = documented()
    metrics.print_summary()
    text = capsys.readouterr().out
    assert text.startswith("=== Model Evaluation Summary ===\nTotal Samples: 100\nQuality Score: ")
    assert "Failures (>100% deviation): 3 (3.0%)\n\n" + DOCUMENTED in text
    assert "\n=== Worst 5 Predictions ===\n1. Sample #97: Expected 3, Predicted 7, Deviation: 133.3%\n" in text
    assert "\n=== Samples by Performance ===\n   0-10%: 45 samples - [0 1 2 3 4] ... (40 more)\n" in text
    assert text.endswith("   100%+: 3 samples - [97 98 99]\n")
    (worst,) = metrics.get_worst_samples(1)
    assert (worst.expected_output, worst.actual_output) == (worst.expected, worst.actual)
    metrics.save_metrics(str(tmp_path / "evaluation.json"))
    assert DeviationMetrics.load_metrics(str(tmp_path / "evaluation.json")).summary() == metrics.summary()


# Siblings: nothing to report, nothing wrong, values that are no numbers.
def test_reports_of_odd_evaluations() -> None:
    assert DeviationMetrics().summary().splitlines()[1] == "Total Samples: 0"
    perfect = evaluate_model([1.0, 2.0], [1.0, 2.0]).summary()
    assert "Worst" not in perfect
    assert "   0-10%: 2 samples - [0 1]" in perfect
    assert "Expected 1, Predicted nan, Deviation: 100.0%" in evaluate_model([1.0], [float("nan")]).summary()
    assert "Expected 0.33, Predicted 1000000," in evaluate_model([1 / 3], [1e6]).summary()


def test_training_says_that_it_evaluates(capsys: pytest.CaptureFixture[str]) -> None:
    network = two()["model_a"]
    options = {"Epochs": 2, "EvaluateEveryN": 2, "ValidationInputs": [X], "ValidationTargets": [1], "Verbose": True}
    network.train([{"Input": X, "Target": [0, 1]}], options)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "Epoch 1/2 - Avg Loss",
        "Epoch 2/2 - Avg Loss",
        "  Running validation evaluation...",
        "  Validation Score",
    ]


# Source: the trouble table, state that is kept across steps. Siblings: batches, and a wrong word for it.
def test_recurrent_state_is_carried_in_the_simple_api() -> None:
    simple = loom_py.simple
    config = {"seed": 1, "layers": [{"type": "lstm", "input_size": 2, "hidden_size": 3, "seq_length": 1}]}
    simple.create_network_from_json(config)
    outputs: dict[str, list[list[float]]] = {}
    for recurrent in ("layer", "carry", "reset"):
        state = simple.StepState(2, recurrent=recurrent)
        state.set_input([1, -1])
        outputs[recurrent] = []
        for _ in range(2):
            state.step_forward()
            outputs[recurrent].append(state.get_output().tolist())
    assert outputs["layer"] == outputs["reset"]
    assert outputs["carry"][0] == outputs["reset"][0]
    assert outputs["carry"][1] != outputs["carry"][0] == outputs["reset"][1]
    both = simple.StepState(input_size=2, batch=2, recurrent="carry")
    both.set_input([1, -1, 1, -1])
    both.step_forward()
    assert both.get_output().tolist() == outputs["carry"][0] * 2
    with pytest.raises(ConfigError, match="recurrent: unknown value 'keep'"):
        simple.StepState(2, recurrent="keep")


# Source: the trouble table, `InitGPU()` in a page without WebGPU. Siblings: simd, converting and plotting there.
@pytest.mark.parametrize(("name", "remedy"), [("webgpu", "browser with WebGPU"), ("simd", "WebAssembly has SIMD")])
def test_a_page_is_given_a_remedy_for_pages(monkeypatch: pytest.MonkeyPatch, name: str, remedy: str) -> None:
    own = choice.Devices()
    own.missing(name, f"{name}: this browser has none.")
    monkeypatch.setattr(sys, "platform", "emscripten")
    monkeypatch.setattr(choice, "devices", own)
    monkeypatch.setattr("loom_py.network.accelerated.devices", own)
    with pytest.raises(DeviceError, match=remedy) as caught:
        choice.use_device(name)
    assert caught.value.message == "is not available in this page: this browser has none"
    assert "pip" not in str(caught.value)
    if name == "webgpu":
        with pytest.raises(DeviceError, match=remedy):
            two()["model_a"].init_gpu()
    assert "pip" not in install_remedy("convert", "Convert on the command line.")


# Source: the trouble table, names as the documents write them. Siblings: kinds of layers, combine modes, variants.
@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("LeakyReLU", "leaky_relu"), ("ScaledReLU", "relu"), ("ReLU", "relu"), ("Sigmoid", "sigmoid"),
        ("Tanh", "tanh"), ("Softplus", "softplus"), ("Linear", "linear"), ("GELU", "gelu"),
        ("leaky-relu", "leaky_relu"),
    ],
)  # fmt: skip
def test_activations_as_the_documents_write_them(given: str, meant: str) -> None:
    layer = CONFIG["layers"][0]
    networks = [build_network_from_json({"layers": [layer | {"activation": n}]}, seed=1) for n in (given, meant)]
    np.testing.assert_array_equal(networks[0].forward(X), networks[1].forward(X))
    assert networks[0].serialize_model("m")["cfg"]["layers"][0]["activation"] == meant


@pytest.mark.parametrize(
    ("given", "meant"),
    [("spatial", "grid"), ("Grid", "grid"), ("Sparsemax", "sparse"), ("Standard", "standard"), ("Entmax", "entmax")],
)
def test_softmax_variants_as_the_documents_write_them(given: str, meant: str) -> None:
    rows = {"softmax_rows": 2, "softmax_cols": 3} if meant == "grid" else {}
    layers = [{"type": "softmax", "softmax_variant": name} | rows for name in (given, meant)]
    networks = [build_network_from_json({"input_size": 6, "layers": [layer]}) for layer in layers]
    one, other = (network.forward([1, 2, 3, 3, 2, 1]) for network in networks)
    np.testing.assert_array_equal(one, other)
    assert networks[0].serialize_model("m")["cfg"]["layers"][0]["softmax_variant"] == meant


def test_kinds_and_modes_as_the_documents_write_them() -> None:
    branches = [{"type": name, "hidden_size": 2} for name in ("LSTM", "RNN")] + [{"type": "Dense", "output_size": 2}]
    layers = [{"type": "RMSNorm", "norm_size": 4}, {"type": "LayerNorm", "norm_size": 4}, {"type": "SwiGLU"}]
    layers[2] |= {"input_size": 4, "output_size": 3}
    config = {"input_size": 4, "layers": [*layers, {"type": "Parallel", "combine_mode": "Avg", "branches": branches}]}
    assert build_network_from_json(config, seed=1).forward([1, 2, 3, 4]).shape == (1, 2)
    for layer, message in (
        ({"type": "denze"}, "unknown layer type: denze. Did you mean 'dense'"),
        ({"type": "softmax", "input_size": 2, "softmax_variant": "spacial"}, "unknown softmax variant 'spacial'"),
        ({"type": "dense", "input_size": 1, "output_size": 1, "activation": "Leaky"}, "unknown activation 'Leaky'"),
    ):
        with pytest.raises(ConfigError, match=message):
            build_network_from_json({"layers": [layer]})


# Source: the trouble table, models that the documents announce: in the list of models.md, or refused by name with it.
@pytest.mark.parametrize("model_type", ["bert", "gpt2", "gpt_neox", "t5"])
def test_announced_models_load_or_are_refused_by_name(model_type: str) -> None:
    docs = paths.REPOSITORY / "docs"
    assert "| BERT, GPT-2, Pythia (GPT-NeoX) checkpoints |" in (docs / "compatibility.md").read_text(encoding="utf-8")
    loaded = {name for family in registry.families() for name in family.model_types}
    if model_type in loaded:
        assert f"`{model_type}`" in (docs / "models.md").read_text(encoding="utf-8")
        return
    with pytest.raises(ModelError, match=model_type) as caught:
        registry.read_decoder({"model_type": model_type})
    assert "llama" in caught.value.remedy
