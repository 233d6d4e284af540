"""Arguments of another type than Python's functions take: a sentence that names them, never a wrong result.

Found by an attack on rows 25 and 27 of the trouble table. `bytes` passed for token ids, a number became as many zero
bytes, and a model id that is no string was written to a file that could not be read again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loom_py
from loom_py.analysis.architecture import load_configs_file, save_configs
from loom_py.cli import main
from loom_py.errors import LoomError
from loom_py.generation.language_model import LanguageModel
from loom_py.generation.loading import load_model
from loom_py.generation.sampling import GenerationOptions

from ..formats.tiny_gguf import write_tiny_gguf

NOT_TEXT = [None, 5, float("nan"), b"hello", ["a"], {}, np.float32(1)]
CONFIG = {"layers": [{"type": "dense", "input_size": 2, "output_size": 2}]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load_model(write_tiny_gguf(tmp_path_factory.mktemp("types") / "m.gguf").path)


@pytest.mark.parametrize("prompt", NOT_TEXT, ids=repr)
def test_a_prompt_is_text(model: LanguageModel, prompt: Any) -> None:
    for use in (model.generate, model.prompt_ids, lambda p: model.events(p, GenerationOptions())):
        with pytest.raises(LoomError, match="prompt: expected text"):
            use(prompt)


@pytest.mark.parametrize("ids", [None, 5, "a", b"a", [float("nan")], ["a"], [1.0], [True]], ids=repr)
def test_token_ids_are_whole_numbers(model: LanguageModel, ids: Any) -> None:
    with pytest.raises(LoomError, match="prompt"):
        model.continue_ids(ids, GenerationOptions(max_tokens=1))
    for use in (model.logits, model.hidden):
        with pytest.raises(LoomError, match="ids"):
            use(ids)


def test_token_ids_may_be_an_array(model: LanguageModel) -> None:
    ids, options = [3, 4, 5], GenerationOptions(max_tokens=2)
    first, second = (list(model.continue_ids(given, options)) for given in (ids, np.array(ids)))
    assert first[-1] == second[-1]


@pytest.mark.parametrize("options", [5, "x", {}, {"max_tokens": 2}], ids=repr)
def test_generation_options_are_of_their_class(model: LanguageModel, options: Any) -> None:
    with pytest.raises(LoomError, match="options: expected GenerationOptions"):
        model.generate("hello", options)


def test_numpys_numbers_are_options_and_long_values_are_cut() -> None:
    options = GenerationOptions(temperature=np.float32(0.5), top_k=np.int64(3))  # type: ignore[arg-type]
    assert (options.temperature, options.top_k) == (0.5, 3)
    for value in ("a" * 100_000, 10**5000, float("inf")):
        with pytest.raises(LoomError) as refused:
            GenerationOptions(temperature=value)  # type: ignore[arg-type]
        assert len(str(refused.value)) < 200


@pytest.mark.parametrize("name", [5, ["default"]], ids=repr)
def test_a_templates_name_is_text(model: LanguageModel, name: Any) -> None:
    with pytest.raises(LoomError, match="template"):
        model.chat([{"role": "user", "content": "x"}], template=name)


@pytest.mark.parametrize("messages", [5, None, "hello", ["hello"]], ids=repr)
def test_messages_are_a_list_of_objects(model: LanguageModel, messages: Any) -> None:
    with pytest.raises(LoomError, match="messages"):
        model.chat(messages)


def network() -> loom_py.Network:
    return loom_py.build_network_from_json(CONFIG, seed=1)


CALLS: dict[str, Callable[[Any], Any]] = {
    "load_model_from_string": lambda value: loom_py.load_model_from_string(value, "x"),
    "load_bundle_from_string": lambda value: loom_py.load_bundle_from_string(value),
    "save_model_to_string": lambda value: network().save_model_to_string(value),
    "dump_bundle": lambda value: loom_py.dump_bundle(value),
    "dump_bundle's values": lambda value: loom_py.dump_bundle({"a": value}),
    "train": lambda value: network().train(value),
    "train's optimiser": lambda value: network().train(
        [{"Input": [1, 2], "Target": [1, 2]}], {"Optimizer": value, "Epochs": 1}
    ),
    "call_layer_init": lambda value: loom_py.call_layer_init(value, []),
    "call_layer_init's numbers": lambda value: loom_py.call_layer_init("InitDenseLayer", [value, 2, 0]),
    "use_device": lambda value: loom_py.use_device(value),
    "AdaptationTracker": lambda value: loom_py.AdaptationTracker(value, value),
}


@pytest.mark.parametrize("value", [[[]], float("nan"), 10**400, np.array([]), object(), {1: 2}], ids=repr)
@pytest.mark.parametrize("name", CALLS)
def test_wrong_types_are_typed_errors(name: str, value: Any) -> None:
    with pytest.raises(LoomError):
        CALLS[name](value)


def test_a_bundle_that_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    with pytest.raises(LoomError, match="model_id: expected a string"):
        loom_py.save_bundle(path, {5: network()})  # type: ignore[dict-item]
    assert not path.exists()


PATHS: dict[str, Callable[[Any], Any]] = {
    "load_model": lambda path: loom_py.load_model(path),
    "load_model of a bundle": lambda path: loom_py.load_model(path, "a"),
    "load_model on NumPy": load_model,
    "load_tokenizer": lambda path: loom_py.load_tokenizer(path),
    "load_bundle": lambda path: loom_py.load_bundle(path),
    "save_bundle": lambda path: loom_py.save_bundle(path, {"a": network()}),
    "save_bundle beside": lambda path: loom_py.save_bundle(path, {"a": network()}, "safetensors"),
    "save_configs": lambda path: save_configs(path, []),
    "load_configs_file": load_configs_file,
}


# Found by attack: `load_model(5)` and `network_blueprint(5)` raised Python's own errors.
@pytest.mark.parametrize("path", [5, None, b"a", [], {}, 1.5, True, object(), "a\0b", np.array([1])], ids=repr)
@pytest.mark.parametrize("name", PATHS)
def test_a_path_is_a_path(name: str, path: Any) -> None:
    with pytest.raises(LoomError, match="path"):
        PATHS[name](path)


@pytest.mark.parametrize("networks", [5, None, "a", [1], {"a": 5}, {"a": None}, object()], ids=repr)
@pytest.mark.parametrize("use", [loom_py.network_blueprint, loom_py.dump_bundle, loom_py.ModelBundle])
def test_networks_are_given_by_name(use: Callable[[Any], Any], networks: Any) -> None:
    if use is loom_py.ModelBundle and networks is None:
        return  # an empty one
    with pytest.raises(LoomError, match="networks"):
        use(networks)


# Found by attack: True counted as 1 where it stood among numbers.
@pytest.mark.parametrize("values", [[True, 1.0], [1, False], [[1.0, True]], (1, True), [np.bool_(True), 1]], ids=repr)
def test_booleans_are_no_numbers(values: Any) -> None:
    net = network()
    before = net.save_model_to_string("a")
    for use in (
        net.forward_cpu,
        lambda v: net.train([{"Input": v, "Target": [1, 2]}], {"Epochs": 1}),
        lambda v: net.train([{"Input": [1, 2], "Target": v}], {"Epochs": 1}),
        lambda v: net.evaluate_network([v], [1]),
    ):
        with pytest.raises(LoomError, match=r"expected a number, got a (boolean|Python bool)"):
            use(values)
    assert net.save_model_to_string("a") == before


@pytest.mark.parametrize("command", ["generate", "logits"])
@pytest.mark.parametrize("ids", ["[1, 2", "5", "", "{}", '["a"]', "[1.5]", "[true]", "[1,]", "\udcff", "[NaN]"])
def test_ids_on_the_command_line(command: str, ids: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_tiny_gguf(tmp_path / "m.gguf").path
    assert main([command, "--model", str(path), f"--ids={ids}"]) == 1
    error = capsys.readouterr().err
    assert "--ids" in error
    assert "file" not in error
