"""Layers as objects (`get_layer`, `set_layer`), layers by name (`call_layer_init`), and the blueprint."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from loom_py import build_network_from_json
from loom_py.errors import ConfigError, FormatError, InputError
from loom_py.network.layer_config import from_config, to_config
from loom_py.network.layer_init import FUNCTIONS, call_layer_init, list_layer_init_functions
from loom_py.nn import KINDS, build_layer
from loom_py.nn.registry import NUMBERS
from loom_py.schema.fields import Fields

from ..nn import strategies


@settings(max_examples=60, deadline=None)
@given(strategies.network())
def test_any_layer_there_and_back(config: tuple[dict[str, Any], int]) -> None:
    network = build_network_from_json(config[0], seed=1)
    copy = build_network_from_json(config[0], seed=2)
    for i in range(network.total_layers()):
        copy.set_layer(0, 0, i, json.loads(json.dumps(network.get_layer(0, 0, i))))
    x = np.random.default_rng(0).normal(size=(2, config[1]))
    np.testing.assert_array_equal(copy.forward(x), network.forward(x))


def test_field_names_are_the_original_s() -> None:
    network = build_network_from_json(
        {"layers": [{"type": "dense", "input_size": 2, "output_size": 1, "activation": "sigmoid"}]}
    )
    config = network.get_layer(0, 0, 0)
    assert (config["Type"], config["Activation"], config["InputHeight"], config["OutputHeight"]) == (0, 1, 2, 1)
    assert (len(config["Kernel"]), len(config["Bias"])) == (2, 1)
    network.set_layer(
        0,
        0,
        0,
        {"type": "dense", "input_size": 2, "output_size": 1, "Activation": "linear", "kernel": [1, 2], "bias": [0.5]},
    )
    assert network.forward([3, 4]).tolist() == [[11.5]]
    lstm = to_config(*layer_of({"type": "lstm", "input_size": 1, "hidden_size": 1}))
    assert {"WeightII", "WeightHI", "BiasI", "WeightHO", "SeqLength"} <= set(lstm)


def layer_of(config: dict[str, Any]) -> Any:
    layer = build_layer(Fields(config, ""), None)
    return layer, layer.init(np.random.default_rng(0))


def test_the_numbers_are_the_original_s() -> None:
    assert [NUMBERS[i].kind for i in range(14)] == [
        *("dense", "conv2d", "multi_head_attention", "rnn", "lstm", "softmax", "layer_norm", "residual"),
        *("rms_norm", "swiglu", "parallel", "embedding", "conv1d", "sequential"),
    ]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (3, "expected an object"),
        ({"Type": 99}, "unknown layer type 99"),
        ({}, "Type: missing"),
        ({"Type": 0, "InputHeight": 2, "OutputHeight": 1, "Kernel": [1.0]}, "kernel: expected 2 numbers"),
        ({"Type": 0, "InputHeight": 2, "OutputHeight": 1, "Gamma": [1.0]}, "a dense layer has no field 'gamma'"),
        ({"Type": 0, "InputHeight": 2, "OutputHeight": 1, "Colour": 1}, "a dense layer has no field 'colour'"),
    ],
)
def test_bad_layer_configs_change_nothing(config: Any, message: str) -> None:
    network = build_network_from_json({"layers": [{"type": "dense", "input_size": 2, "output_size": 1}]}, seed=0)
    before = network.save_model_to_string("m")
    with pytest.raises((ConfigError, FormatError), match=message):
        network.set_layer(0, 0, 0, config)
    assert network.save_model_to_string("m") == before


def test_sizes_are_checked_once_all_layers_are_there() -> None:
    dense = {"type": "dense", "input_size": 2, "output_size": 2}
    network = build_network_from_json({"layers": [dense, dense]})
    network.set_layer(0, 0, 0, {"Type": 0, "InputHeight": 5, "OutputHeight": 3})
    with pytest.raises(ConfigError, match=r"layers\[1\]: dense takes 2 values but the layer before gives 3"):
        network.forward([0.0] * 5)
    network.set_layer(0, 0, 1, {"Type": 0, "InputHeight": 3, "OutputHeight": 1})
    assert network.forward([0.0] * 5).shape == (1, 1)


ARGUMENTS: dict[str, list[Any]] = {
    "InitDenseLayer": [6, 4, 0],
    "InitConv2DLayer": [4, 4, 2, 3, 1, 1, 5, 4],
    "InitConv1DLayer": [8, 2, 3, 1, 0, 4, "tanh"],
    "InitMultiHeadAttentionLayer": [8, 2, 4, 0],
    "InitRNNLayer": [3, 4, 1, 2],
    "InitLSTMLayer": [3, 4, 1, 2],
    "InitQRNNLayer": [3, 4, 2],
    "InitSRULayer": [3, 4, 2],
    "InitLayerNormLayer": [6],
    "InitRMSNormLayer": [6, 1e-6],
    "InitSwiGLULayer": [6, 9],
    "InitEmbeddingLayer": [10, 3],
    "InitPointwiseDenseLayer": [4, 3],
    "InitPositionEmbeddingLayer": [6, 3],
    "InitResidualLayer": [],
    "InitDropoutLayer": [0.25],
    "InitBatchNormLayer": [6, 3],
    "InitSoftmaxLayer": [],
    "InitGridSoftmaxLayer": [2, 3],
    "InitHierarchicalSoftmaxLayer": [[2, 3]],
    "InitTemperatureSoftmaxLayer": [0.5],
    "InitGumbelSoftmaxLayer": [0.5],
    "InitMaskedSoftmaxLayer": [4],
    "InitSparsemaxLayer": [],
    "InitEntmaxLayer": [1.5],
    "InitAdaptiveSoftmaxLayer": [[[0, 1]]],
    "InitMixtureSoftmaxLayer": [[0.5, 0.5]],
    "InitParallelLayer": [[{"type": "dense", "input_size": 2, "output_size": 1}], "add"],
    "InitFilteredParallelLayer": [[{"type": "dense", "input_size": 2, "output_size": 1}], 2],
    "InitSequentialLayer": [[{"type": "dense", "input_size": 2, "output_size": 1}]],
}


def test_every_init_function_is_listed_and_covers_every_kind() -> None:
    assert [r["Name"] for r in list_layer_init_functions()] == sorted(FUNCTIONS) == sorted(ARGUMENTS)
    kinds = {call_layer_init(name, arguments)["TypeName"] for name, arguments in ARGUMENTS.items()}
    assert kinds == {cls.kind for cls in KINDS.values()}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_init_functions_make_layers(name: str) -> None:
    config = json.loads(json.dumps(call_layer_init(name, ARGUMENTS[name])))
    layer, params = from_config(config)
    assert to_config(layer, params) == config


def test_he_initialisation_and_forget_bias() -> None:
    kernel = np.array(call_layer_init("InitDenseLayer", [400, 300, 1])["Kernel"])
    assert kernel.std() == pytest.approx(np.sqrt(2 / 400), rel=0.02)
    lstm = call_layer_init("InitLSTMLayer", [3, 4, 1, 2])
    assert lstm["BiasF"] == [1] * 4
    assert lstm["BiasI"] == [0] * 4
    assert call_layer_init("InitMultiHeadAttentionLayer", [512, 8, 32, 256])["SeqLength"] == 256


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("InitDense", [1, 1, 0], "layer init function InitDense not found. Did you mean 'InitDenseLayer'"),
        ("InitDenseLayer", [1, 1], "InitDenseLayer expects 3 arguments, got 2"),
        ("InitDenseLayer", [1, "x", 0], "InitDenseLayer.output_size: expected int"),
        ("InitDenseLayer", [1, 0, 0], "output_size: 0 must be at least"),
        ("InitDenseLayer", [1, 1, 77], "unknown activation id 77"),
        ("InitDenseLayer", [1, 1, "bogus"], "InitDenseLayer.activation: unknown activation 'bogus'"),
        ("InitMaskedSoftmaxLayer", [2**60], "InitMaskedSoftmaxLayer.size: .* must be at least 1"),
        ("InitEntmaxLayer", [float("nan")], "InitEntmaxLayer.alpha: expected float"),
        ("InitMultiHeadAttentionLayer", [7, 2, 3], "2 heads do not divide d_model = 7"),
    ],
)
def test_bad_init_calls(name: str, arguments: list[Any], message: str) -> None:
    with pytest.raises((InputError, ConfigError), match=message):
        call_layer_init(name, arguments)


def test_blueprint(grid_scatter: dict[str, Any]) -> None:
    network = build_network_from_json(grid_scatter["network"])
    plan = network.get_blueprint("demo")
    assert (plan["id"], plan["total_layers"]) == ("demo", 3)
    assert plan["total_parameters"] == network.get_total_parameters()
    assert [(r["grid_row"], r["grid_col"], r["cell_layer"]) for r in plan["layers"]] == [
        (0, 0, 0),
        (0, 1, 0),
        (0, 2, 0),
    ]
    scatter = plan["layers"][1]
    assert (scatter["combine_mode"], scatter["input_shape"], scatter["output_shape"]) == ("grid_scatter", [16], [24])
    assert [b["parameters"] for b in scatter["branches"]] == [272, 800, 200]
    assert scatter["branches"][1]["input_shape"] == [1, 16]
    conv = {"type": "conv2d", "input_channels": 2, "input_height": 4, "input_width": 4, "filters": 3, "kernel_size": 3}
    record = build_network_from_json({"layers": [conv]}).get_blueprint()["layers"][0]
    assert (record["input_shape"], record["output_shape"], record["parameters"]) == ([2, 4, 4], [3, 2, 2], 57)


def test_blueprint_describes_a_filter_with_its_gate() -> None:
    branch = {"type": "dense", "output_size": 5}
    gate = {"type": "sequential", "layers": [{"type": "dense", "output_size": 3}, {"type": "dense", "output_size": 2}]}
    layer = {"type": "parallel", "combine_mode": "filter", "branches": [branch, branch], "filter_gate": gate}
    record = build_network_from_json({"input_size": 4, "layers": [layer]}).get_blueprint()["layers"][0]
    assert [b["type"] for b in record["gate"]["branches"]] == ["dense", "dense"]
    assert len(record["branches"]) == 2
    assert record["parameters"] == sum(r["parameters"] for r in (record["gate"], *record["branches"]))
    plain = build_network_from_json({"input_size": 4, "layers": [layer | {"combine_mode": "concat"}]})
    assert "gate" not in plain.get_blueprint()["layers"][0]
