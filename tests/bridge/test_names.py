"""The bridge's additions for the original's names: bare strings, lists of records, layers by name, streamed text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loom_py import simple
from loom_py.bridge import api as bridge
from loom_py.errors import ConfigError, InputError
from loom_py.network.layer_init import FUNCTIONS
from loom_py.network.network import Network
from loom_py.network.reflection import methods

from ..browser import tiny_checkpoint
from .test_api import FakeReader, call, finish


@pytest.fixture
def network() -> int:
    return bridge.new_network("[2, 1, 1, 2]")


@pytest.mark.parametrize(
    ("method", "text", "value"),
    [("HasMethod", "ForwardCPU", "true"), ("HasMethod", "forward_cpu", "false"), ("HasMethod", "{", "false")],
)
def test_a_method_of_one_string_takes_it_bare(network: int, method: str, text: str, value: str) -> None:
    assert json.loads(bridge.call(network, method, text)) == {"values": [value], "strings": [False], "bare": True}
    assert json.loads(bridge.call(network, method, json.dumps([text]))) == {"values": [value], "strings": [False]}


def test_other_methods_take_no_bare_text(network: int) -> None:
    for method in ("ForwardCPU", "TotalLayers", "GetLayer", "SaveModel"):
        assert "Invalid JSON input" in json.loads(bridge.call(network, method, "ForwardCPU"))["error"]


def test_a_list_of_records_is_many_results(network: int) -> None:
    records = [json.loads(text) for text in call(network, "GetMethods")["values"]]
    assert [record["method_name"] for record in records] == sorted(methods(Network))
    assert all(isinstance(record["parameters"], list) and isinstance(record["returns"], list) for record in records)
    assert len(call(network, "ListMethods")["values"]) == 1  # a list of names is one result


@pytest.mark.parametrize("sizes", ["[]", "[1,1,1,1,1]", "{", "7", '["1"]', "[0]", "[1,2,3,1e9]"])
def test_wrong_network_sizes(sizes: str) -> None:
    before = bridge.live()
    with pytest.raises(InputError):
        bridge.new_network(sizes)
    assert bridge.live() == before


def test_layers_by_name(network: int) -> None:
    assert [f["Name"] for f in json.loads(bridge.layer_init_functions())] == sorted(FUNCTIONS)
    layer = json.loads(bridge.layer_init("InitDenseLayer", "[2, 3, 1]"))
    assert call(network, "SetLayer", 0, 0, 0, layer) == {"values": [], "strings": []}
    again = json.loads(call(network, "GetLayer", 0, 0, 0)["values"][0])
    assert again == layer
    failed = call(network, "SaveModelToString", "m")["values"]
    assert failed[0] is None
    assert "layer 0, 0, 1: no layer was set here yet" in failed[1]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("InitDenseLayer", "[1, 2]"),
        ("InitDenseLayer", '["1", 2, 0]'),
        ("InitFilteredParallelLayer", "[3, 2]"),
        ("InitHierarchicalSoftmaxLayer", '["x"]'),
        ("InitParallelLayer", "[[], 5]"),
        ("init_dense_layer", "[1, 2, 0]"),
        ("InitDenseLayer", "{"),
        ("InitDenseLayer", "{}"),
    ],
)
def test_wrong_layers(name: str, arguments: str) -> None:
    with pytest.raises((InputError, ConfigError)):
        bridge.layer_init(name, arguments)


def test_sizes_follow_from_the_weights_of_a_dense_layer(network: int) -> None:
    config: dict[str, Any] = {"Type": 0, "Activation": 1, "Kernel": [1, 2, 3, 4, 5, 6], "Bias": [1, 2, 3]}
    call(network, "SetLayer", 0, 0, 0, config)
    layer = json.loads(call(network, "GetLayer", 0, 0, 0)["values"][0])
    assert (layer["InputHeight"], layer["OutputHeight"]) == (2, 3)
    error = call(network, "SetLayer", 0, 0, 0, {**config, "Bias": [1, 2, 3, 4]})["error"]
    assert "output" in error


def test_streamed_texts_do_not_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_tokenizer", "_tokenizer_source", "_model"):
        monkeypatch.setattr(simple, name, None)
    directory = tiny_checkpoint.write(tmp_path)
    files = {n: FakeReader(n, (directory / n).read_bytes()) for n in tiny_checkpoint.FILES}
    bridge.load_tokenizer(files["tokenizer.json"])
    events, result = finish(bridge.load_transformer_start(files["config.json"], files["model.safetensors"]))
    assert events[-1]["loaded"] == events[-1]["total"]
    assert result["num_layers"] == 2
    before = bridge.live()
    task = bridge.generate_start("Once", 5.0, 0)
    bridge.task_advance(task, 0)
    bridge.generate_text("Twice", 5, 0)
    rest, _ = finish(task)
    events, _ = finish(bridge.generate_start("Once", 5, 0))
    streamed = "".join(e.get("text", "") for e in events)
    assert streamed.endswith("".join(e.get("text", "") for e in rest))
    assert json.loads(bridge.generate_text("Once", 5, 0))["generated_text"] == "Once" + streamed
    assert bridge.live() == before
    for count, temperature in ((0, 0), (1.5, 0), (float("nan"), 0), (True, 0), (5, float("nan")), (5, -1)):
        with pytest.raises(InputError):
            bridge.generate_start("Once", count, temperature)
