"""LOOM's JSON bundle: exact reload, several models, and invalid files."""

from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from loom_py import (
    LoomError,
    build_network_from_json,
    dump_bundle,
    load_bundle,
    load_bundle_from_string,
    load_model,
    load_model_from_string,
    save_bundle,
)
from loom_py.errors import ConfigError, FormatError, InputError
from loom_py.formats.source import BytesSource
from loom_py.network.bundle import dump_weights
from loom_py.nn.layer import floats

from ..nn import strategies


@settings(max_examples=40, deadline=None)
@given(strategies.network(), st.integers(0, 2**32))
def test_reload_is_bit_identical(config: tuple[dict[str, Any], int], seed: int) -> None:
    network = build_network_from_json(config[0], seed=seed)
    loaded = load_model_from_string(network.save_model_to_string("m"), "m")
    assert list(network.parameters) == list(loaded.parameters)
    for path, a in network.parameters.items():
        assert a.tobytes() == loaded.parameters[path].tobytes()
    x = np.random.default_rng(seed).normal(size=(2, config[1])).astype(np.float32)
    assert network.forward(x).tobytes() == loaded.forward(x).tobytes()
    assert loaded.save_model_to_string("m") == network.save_model_to_string("m")


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_decimals_read_back_to_the_same_float(values: list[float]) -> None:
    a = np.array(values, dtype=np.float32)
    assert np.array(json.loads(json.dumps(floats(a))), dtype=np.float32).tobytes() == a.tobytes()


def test_several_models_in_a_bundle(grid_scatter: dict[str, Any]) -> None:
    one, two = (build_network_from_json(grid_scatter["network"], seed=s) for s in (1, 2))
    text = dump_bundle({"one": one, "two": two})
    both = load_bundle_from_string(text)
    assert list(both) == ["one", "two"]
    x = [0.4] * 8
    np.testing.assert_array_equal(load_model_from_string(text, "two").forward(x), two.forward(x))
    np.testing.assert_array_equal(build_network_from_json(text).forward(x), one.forward(x))
    with pytest.raises(FormatError, match="'three' not found in bundle"):
        load_model_from_string(text, "three")


@settings(max_examples=25, deadline=None)
@given(strategies.network(), st.integers(0, 2**32))
def test_weights_beside_the_json(config: tuple[dict[str, Any], int], seed: int) -> None:
    network = build_network_from_json(config[0], seed=seed)
    network.train(
        [{"Input": np.ones((1, config[1])), "Target": network.forward(np.ones((1, config[1])))}], {"Optimizer": "AdamW"}
    )
    text, data = dump_bundle({"m": network}, "w.safetensors"), dump_weights({"m": network})
    assert safetensors.numpy.load(data).keys() == {f"m/{path}" for path in network.parameters}
    loaded = load_model_from_string(text, "m", {"w.safetensors": BytesSource(data)})
    for path, a in network.parameters.items():
        assert a.tobytes() == loaded.parameters[path].tobytes()
    assert loaded.save_model_to_string("m") == network.save_model_to_string("m")


def test_files_of_both_kinds(grid_scatter: dict[str, Any], tmp_path: Path) -> None:
    one, two = (build_network_from_json(grid_scatter["network"], seed=s) for s in (1, 2))
    x = [0.4] * 8
    for weights in ("json", "safetensors"):
        path = tmp_path / f"{weights}.json"
        save_bundle(path, {"one": one, "two": two}, weights)
        np.testing.assert_array_equal(load_bundle(path)["two"].forward(x), two.forward(x))
        np.testing.assert_array_equal(load_model(path, "one").forward(x), one.forward(x))
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names[:2] == ["json.json", "safetensors.json"]
    assert len(names) == 3
    save_bundle(tmp_path / "safetensors.json", {"one": two, "two": one}, "safetensors")
    assert len(list(tmp_path.iterdir())) == 3  # the previous weights are removed
    np.testing.assert_array_equal(load_model(tmp_path / "safetensors.json", "one").forward(x), two.forward(x))
    save_bundle(tmp_path / "odd.safetensors", {"one": one}, "safetensors")
    np.testing.assert_array_equal(load_model(tmp_path / "odd.safetensors", "one").forward(x), one.forward(x))
    one.save_model(str(tmp_path / "json.json"), "again", "safetensors")
    assert list(load_bundle(tmp_path / "json.json")) == ["again"]
    with pytest.raises(InputError, match="unknown kind of weights 'zip'"):
        save_bundle(tmp_path / "x.json", {"one": one}, "zip")
    next(tmp_path.glob("safetensors.json.*.safetensors")).unlink()
    with pytest.raises(FormatError, match=r"models\[0\]\.weights\.file: the weight file 'safetensors\.json\."):
        load_bundle(tmp_path / "safetensors.json")
    text = dump_bundle({"one": one}, "w")
    with pytest.raises(FormatError, match=r"the tensor one/layers\.0\.kernel is missing"):
        load_bundle_from_string(text, {"w": BytesSource(dump_weights({"two": two}))})
    small = build_network_from_json({"layers": [{"type": "dense", "input_size": 1, "output_size": 1}]})
    with pytest.raises(FormatError, match=r"one/layers\.0\.kernel has shape \[1, 1\], expected \[8, 16\]"):
        load_bundle_from_string(text, {"w": BytesSource(dump_weights({"one": small}))})


@pytest.mark.parametrize("weights", ["json", "safetensors"])
def test_a_failed_save_leaves_the_old_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: str) -> None:
    one, two = (
        build_network_from_json({"layers": [{"type": "dense", "input_size": n, "output_size": 1}]}) for n in (2, 3)
    )
    path = tmp_path / "m.json"
    one.save_model(str(path), "m", weights)
    path.chmod(0o600)
    whole = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target == path:
            raise OSError(28, "No space left on device")
        return whole(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match=r"m\.json: cannot be written \(No space left"):
        two.save_model(str(path), "m", weights)
    monkeypatch.undo()
    np.testing.assert_array_equal(load_model(path, "m").forward([1, 2]), one.forward([1, 2]))
    two.save_model(str(path), "m", weights)
    assert load_model(path, "m").input_size == 3
    assert path.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob(".*"))
    for bad in (tmp_path, tmp_path / "no" / "where", "a\0b"):
        with pytest.raises(InputError, match=r"cannot be written|null character"):
            two.save_model(str(bad), "m", weights)
    with pytest.raises(InputError, match="cannot be read"):
        load_model(tmp_path / "none", "m")


def test_names_and_sizes_survive() -> None:
    network = build_network_from_json({"input_size": 8, "seed": 5, "layers": [{"type": "layer_norm", "norm_size": 4}]})
    loaded = load_model_from_string(network.save_model_to_string("m"), "m")
    assert (loaded.input_size, loaded.seed, loaded.forward(np.ones(16)).shape) == (8, 5, (2, 8))
    text = json.loads(dump_bundle({"a": network, "b": network}))
    text["models"][1]["id"] = "a"
    with pytest.raises(FormatError, match=r"models\[1\]\.id: two models are called 'a'"):
        load_bundle_from_string(json.dumps(text))
    del text["models"][1]["id"]
    with pytest.raises(FormatError, match=r"models\[1\]\.id: missing: a string is required"):
        load_bundle_from_string(json.dumps(text))


def test_saved_size_is_the_original_s(grid_scatter: dict[str, Any]) -> None:
    text = build_network_from_json(grid_scatter["network"], seed=0).save_model_to_string("my_model")
    assert 25_000 < len(text) < 27_500
    record = json.loads(text)["models"][0]
    assert record["weights"]["fmt"] == "jsonModelB64"
    layers = json.loads(base64.b64decode(record["weights"]["data"]))["layers"]
    assert set(layers[0]) == {"kernel", "biases"}
    assert set(layers[1]["branch_weights"][2]) == {"weight_ih", "weight_hh", "bias_h"}
    assert len(layers[1]["branch_weights"][1]) == 12


def test_diverged_weights_cannot_be_saved(grid_scatter: dict[str, Any]) -> None:
    network = build_network_from_json(grid_scatter["network"], seed=0)
    network.parameters["layers.0.kernel"][0, 0] = np.nan
    with pytest.raises(FormatError, match="NaN or infinity"):
        network.save_model_to_string("m")


def bundle() -> dict[str, Any]:
    config = {"layers": [{"type": "dense", "input_size": 2, "output_size": 1}, {"type": "rnn", "hidden_size": 2}]}
    return json.loads(build_network_from_json(config, seed=0).save_model_to_string("m"))


def changed(*path: str | int, value: Any = ..., weights: bool = False) -> str:
    """The bundle with one value replaced (or deleted); inside the decoded weights if asked."""
    whole = bundle()
    place = whole["models"][0]["weights"]
    root: Any = json.loads(base64.b64decode(place["data"])) if weights else whole
    node: Any = root
    for step in path[:-1]:
        node = node[step]
    if value is ...:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    if weights:
        place["data"] = base64.b64encode(json.dumps(root).encode()).decode()
    return json.dumps(whole)


BAD: dict[str, tuple[str, str]] = {
    "empty": ("", "bundle at byte 0"),
    "truncated": (json.dumps(bundle())[:200], "bundle at byte"),
    "array": ("[]", "bundle: expected an object, got an array"),
    "type": (changed("type", value="x"), "type: invalid bundle type: 'x'"),
    "version": (changed("version", value=2), "version: unsupported version 2"),
    "models": (changed("models", value=None), "models: expected an array of objects, got null"),
    "model": (changed("models", 0, value=7), r"models\[0\]: expected an object, got a number"),
    "no cfg": (changed("models", 0, "cfg"), r"models\[0\].cfg: missing: an object is required"),
    "cfg layer": (
        changed("models", 0, "cfg", "layers", 0, "type", value="q"),
        r"models\[0\].cfg.layers\[0\].type: unknown",
    ),
    "cfg count": (
        changed("models", 0, "cfg", "layers", value=[{"type": "dense", "input_size": 2, "output_size": 1}]),
        "count mism",
    ),
    "no weights": (changed("models", 0, "weights"), r"models\[0\].weights: missing: an object is required"),
    "fmt": (changed("models", 0, "weights", "fmt", value="zip"), r"weights.fmt: unknown value 'zip'"),
    "data type": (changed("models", 0, "weights", "data", value=1), "weights.data: expected a string"),
    "not base64": (changed("models", 0, "weights", "data", value="%%%"), "weights.data: expected base64"),
    "not JSON": (changed("models", 0, "weights", "data", value="AAAA"), r"weights.data at byte 0"),
    "no layers": (changed("layers", value=3, weights=True), "weights.data.layers: expected an array, got a number"),
    "weight type": (changed("type", value="int8", weights=True), "weights.data.type: unknown value 'int8'"),
    "layer count": (changed("layers", 1, weights=True), "layer count mismatch: config=2, weights=1"),
    "layer record": (changed("layers", 1, value=0, weights=True), r"weights.data.layers\[1\]: expected an object"),
    "missing": (changed("layers", 0, "kernel", weights=True), r"layers\[0\].kernel: missing: an array is required"),
    "short": (
        changed("layers", 0, "kernel", value=[1.0], weights=True),
        r"layers\[0\].kernel: expected 2 numbers .* got 1",
    ),
    "not numbers": (
        changed("layers", 0, "biases", value=["x"], weights=True),
        r"layers\[0\].biases\[0\]: expected a number",
    ),
    "not an array": (changed("layers", 1, "bias_h", value="x", weights=True), r"layers\[1\].bias_h: expected an array"),
    "huge": (changed("layers", 0, "biases", value=[1e300], weights=True), r"layers\[0\].biases: .* not finite"),
}


@pytest.mark.parametrize("name", BAD)
def test_wrong_files_say_where(name: str) -> None:
    text, message = BAD[name]
    with pytest.raises((FormatError, ConfigError), match=message):
        load_model_from_string(text, "m")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_text_never_escapes_as_another_error(data: st.DataObject) -> None:
    text = json.dumps(bundle())
    at = data.draw(st.integers(0, len(text) - 1))
    replacement = data.draw(st.text(max_size=3))
    damaged = text[:at] + replacement + text[at + data.draw(st.integers(0, 40)) :]
    with contextlib.suppress(LoomError):
        load_model_from_string(damaged, "m")
