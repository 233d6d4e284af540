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
from loom_py import Network, build_network_from_json
from loom_py.compat import import_name
from loom_py.errors import FormatError, InputError
from loom_py.network import reflection
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
    with pytest.raises(InputError, match="expected a Network, got dict"):
        loom_py.ModelBundle({"m": {}})  # type: ignore[dict-item]
    bundle.remove_model("model_a")
    assert bundle.model_ids() == ["model_b"]
    bundle.save_to_file(str(tmp_path / "b.json"))
    other = loom_py.ModelBundle()
    other.load_from_file(str(tmp_path / "b.json"))
    assert list(other) == ["model_b"]
