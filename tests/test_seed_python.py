"""The Python blocks of the original's documents, as written, after `provide_welvet()`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loom_py
from loom_py import simple
from loom_py.compat.import_name import withdraw
from loom_py.errors import ConfigError, InputError
from loom_py.formats.source import FileSource
from loom_py.models.convert import convert_gguf
from tools import paths

from .browser import tiny_checkpoint
from .seed_blocks import Block, blocks

NOT_PYTHON_OR_SCRIPT = {
    "go": "the original's own language; its library is not this one",
    "c": "the original's shared library, which is not built here",
    "csharp": "the original's .NET package over that library",
    "bash": "commands of the original's repository and registries",
}
NOT_HERE = {
    "readme: Python Example (ctypes)": "calls the original's shared library by its C names",
    "readme: String-Based Serialization (WASM/CABI)": "a schema with parts left out",
}


def block(name: str) -> Block:
    matches = [b for b in blocks("readme", "python", "json") if b.name == f"readme: {name}"]
    assert len(matches) == 1
    return matches[0]


@pytest.fixture
def welvet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("_network", "_tokenizer", "_tokenizer_source", "_model"):
        monkeypatch.setattr(simple, name, None)
    loom_py.provide_welvet()
    yield
    withdraw()


def test_every_block_is_run_or_named() -> None:
    run_here = {"readme: Quick Example", "readme: Grid Architecture & Parallel Layers"}
    run_here |= {"readme: Stepping API - Fine-Grained Execution Control"}
    run_here |= {"readme: Transformer Inference - Run LLMs in Browser or Python"}
    others = [b for d in ("readme", "wasm") for b in blocks(d) if b.language not in NOT_PYTHON_OR_SCRIPT]
    native = {b.name for b in others if b.language not in ("javascript", "typescript")}  # those run in a page
    assert native == run_here | NOT_HERE.keys()


@pytest.mark.usefixtures("welvet")
def test_quick_example(capsys: pytest.CaptureFixture[str]) -> None:
    exec(block("Quick Example").code, {})
    lines = capsys.readouterr().out.splitlines()
    losses = [float(line.split("loss = ")[1]) for line in lines[:10]]
    assert [line.split(":")[0] for line in lines[:10]] == [f"Epoch {i}" for i in range(1, 11)]
    assert losses[-1] < losses[0]
    output = json.loads(lines[10].removeprefix("Output: "))
    assert len(output) == 2
    assert all(0 < value < 1 for value in output)


@pytest.mark.usefixtures("welvet")
def test_stepping() -> None:
    """With layers for its `[...]`, a target, and a twentieth of its steps."""
    layers = [
        {"type": "dense", "input_size": 4, "output_size": 8, "activation": "tanh"},
        {"type": "dense", "output_size": 3, "activation": "sigmoid"},
    ]
    code = block("Stepping API - Fine-Grained Execution Control").code
    code = code.replace("[...]", repr(layers)).replace("range(100000)", "range(5000)")
    scope: dict[str, Any] = {"target": [0.9, 0.1, 0.2]}
    exec(code, scope)
    np.testing.assert_allclose(scope["output"], scope["target"], atol=0.05)
    assert scope["state"].get_step_count() == 5000


CAPITAL = ("Paris", "France", "capital", "city")


@pytest.mark.model
@pytest.mark.usefixtures("welvet")
def test_transformer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted((paths.SITE / "models").rglob("*.gguf"))
    if not files:
        pytest.skip("the site in dist/ has no model")
    with closing(FileSource(files[0])) as source:
        convert_gguf(source, tmp_path / "model", dtype="bfloat16")
    monkeypatch.chdir(tmp_path / "model")
    code = block("Transformer Inference - Run LLMs in Browser or Python").code
    text = ""
    for _ in range(5):  # sampled at temperature 0.7: now and then an answer is about something else
        with pytest.warns(ResourceWarning, match="unclosed file"):  # the block leaves its files to the collector
            exec(code, {})
        text = capsys.readouterr().out
        if any(word in text for word in CAPITAL):
            break
    assert any(word in text for word in CAPITAL), text


def test_grid_scatter_layer_builds() -> None:
    layer = json.loads(block("Grid Architecture & Parallel Layers").code)
    network = loom_py.build_network_from_json({"input_size": 12, "layers": [layer]}, seed=1)
    assert network.forward([0.1] * 12).shape == (1, 42)  # 10 + 12 (attention keeps its width) + 10 + 10


@pytest.mark.usefixtures("welvet")
def test_one_current_network(grid_scatter: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="no network yet"):
        simple.forward_simple([1])
    simple.create_network_from_json(grid_scatter["network"])
    result = simple.train_simple(grid_scatter["batches"], grid_scatter["training"])
    assert result["FinalLoss"] < 0.01 < result["LossHistory"][0]
    inputs = [batch["Input"] for batch in grid_scatter["batches"]]
    assert simple.evaluate_network_simple(inputs, [0, 1, 1, 0])["score"] == 100
    text, before = simple.save_model_simple("m"), simple.forward_simple(inputs[0])
    simple.create_network_from_json({"layers": [{"type": "dense", "input_size": 1, "output_size": 1}]})
    assert len(simple.forward_simple([1])) == 1
    network = simple.load_model_simple(text, "m")
    assert simple.forward_simple(inputs[0]) == before
    assert len(simple.backward_simple([0.1, -0.1])) == 8
    kernel = network.parameters["layers.0.kernel"].copy()
    simple.apply_gradients(0.1)
    assert not np.array_equal(kernel, network.parameters["layers.0.kernel"])
    simple.free_network(network)
    with pytest.raises(InputError, match="no network yet"):
        simple.save_model_simple("m")


@pytest.mark.usefixtures("welvet")
def test_text_functions(tmp_path: Path) -> None:
    directory = tiny_checkpoint.write(tmp_path)
    with pytest.raises(InputError, match="Tokenizer not loaded"):
        simple.encode_text("x")
    simple.load_tokenizer_from_bytes((directory / "tokenizer.json").read_bytes())
    assert simple.decode_tokens(simple.encode_text("Grüße")) == "Grüße"
    with pytest.raises(InputError, match="Model not loaded"):
        simple.generate_text("x")
    files = [(directory / name).read_bytes() for name in ("config.json", "model.safetensors")]
    simple.load_transformer_from_bytes(*files)
    greedy = simple.generate_text("Once", 5, 0)
    assert "".join(simple.generate_stream("Once", 5, 0)) == greedy == "".join(simple.generate_text_stream("Once", 5, 0))
    ids = simple.encode_text("Once")
    assert simple.generate_next_token(ids, 0) == simple.generate_next_token(ids, 0)
    with pytest.raises(InputError, match="Empty input"):
        simple.generate_text("")


def test_a_network_built_cell_by_cell() -> None:
    network = simple.new_network(4, 1, 2, 2, seed=1)
    assert network.total_layers() == 4
    assert [network.get_activation(0, c, k) for c in (0, 1) for k in (0, 1)] == [0, 1, 2, 3]
    assert network.forward([1, -1, 2, 0]).shape == (1, 4)
    assert network.backward([1, 1, 1, 1]).shape == (1, 4)
    for attempt in (lambda: network.save_model_to_string("m"), lambda: network.get_layer(0, 1, 0)):
        with pytest.raises(ConfigError, match="no layer was set here yet"):
            attempt()
    with pytest.raises(InputError, match="multiple of 4"):
        network.forward([1, 2, 3])
    for k, sizes in enumerate([[4, 8, 0], [8, 3, 1], [3, 3, 2], [3, 2, 1]]):
        network.set_layer(0, k // 2, k % 2, simple.call_layer_init("InitDenseLayer", sizes))
    again = simple.load_model_from_string(network.save_model_to_string("m"), "m")
    assert np.array_equal(again.forward([1, 2, 3, 4]), network.forward([1, 2, 3, 4]))


@pytest.mark.parametrize("sizes", [(0,), (1.5,), ("4",), (True,), (4, -1), (4, 1000, 1000, 1000), (float("nan"),)])
def test_wrong_sizes(sizes: tuple[Any, ...]) -> None:
    with pytest.raises(InputError):
        simple.new_network(*sizes)


def test_configuring_a_network_that_does_not_fit() -> None:
    network = simple.create_network(4, 1, 1, 2)
    for sizes, activations in (([4, 8], None), ([5, 8, 2], None), ([4, 8, 2], [0])):
        with pytest.raises(InputError):
            simple.configure_sequential_network(network, sizes, activations)
    simple.configure_sequential_network(network, [4, 8, 2])
    assert [network.get_activation(0, 0, k) for k in (0, 1)] == [simple.Activation.RELU, simple.Activation.SIGMOID]
    with pytest.raises(InputError, match="1 inputs but 0 targets"):
        simple.train_epoch(network, [[1, 2, 3, 4]], [])
