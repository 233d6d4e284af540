"""The network as a whole: configuration, inference of sizes, flat calls, inspection."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest

from loom_py import Network, build_network_from_json
from loom_py.errors import ConfigError, FormatError, InputError


def test_flat_call_gives_output_and_nanoseconds(grid_scatter: dict[str, Any]) -> None:
    network = build_network_from_json(json.dumps(grid_scatter["network"]), seed=1)
    output, duration = network.forward_cpu(grid_scatter["batches"][0]["Input"])
    assert np.shape(output) == (2,)
    assert duration > 0
    gradient, duration = network.backward_cpu([1.0, 0.0])
    assert np.shape(gradient) == (8,)
    assert duration > 0


def test_batches_give_what_single_samples_give(grid_scatter: dict[str, Any]) -> None:
    network = build_network_from_json(grid_scatter["network"], seed=2)
    x = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    together = network.forward(x)
    flat, _ = network.forward_cpu(x.ravel().tolist())
    assert together.shape == (5, 2)
    np.testing.assert_array_equal(together.ravel(), flat)
    single = np.concatenate([network.forward(row) for row in x])
    np.testing.assert_allclose(together, single, rtol=1e-5, atol=1e-6)


def test_sizes_that_follow_may_be_left_out() -> None:
    config = {
        "input_size": 10,
        "grid_rows": 1,
        "grid_cols": 1,
        "layers_per_cell": 3,
        "layers": [
            {"type": "dense", "output_size": 8, "activation": "relu"},
            {
                "type": "parallel",
                "combine_mode": "grid_scatter",
                "grid_output_rows": 3,
                "grid_output_cols": 1,
                "branches": [
                    {
                        "type": "parallel",
                        "combine_mode": "add",
                        "branches": [
                            {"type": "dense", "output_size": 8, "activation": "relu"},
                            {"type": "dense", "output_size": 8, "activation": "gelu"},
                        ],
                    },
                    {"type": "lstm", "hidden_size": 8},
                    {"type": "rnn", "hidden_size": 8},
                ],
            },
            {"type": "dense", "output_size": 2, "activation": "sigmoid"},
        ],
    }
    network = build_network_from_json(config)
    assert network.layers[2].in_size == 24
    assert network.forward(np.zeros((3, 10))).shape == (3, 2)


def test_a_hundred_layers_in_a_grid() -> None:
    layers = [{"type": "dense", "input_size": 4, "output_size": 4, "activation": "tanh"}] * 120
    network = build_network_from_json({"grid_rows": 4, "grid_cols": 6, "layers_per_cell": 5, "layers": layers})
    assert network.total_layers() == 120
    assert network.get_activation(3, 5, 4) == 2
    assert network.forward([0.1] * 4).shape == (1, 4)
    with pytest.raises(InputError, match="row: 4 must be at least 0 and at most"):
        network.get_activation(4, 0, 0)


def test_same_seed_same_weights(grid_scatter: dict[str, Any]) -> None:
    one, two = (build_network_from_json({**grid_scatter["network"], "seed": 5}) for _ in range(2))
    other = build_network_from_json(grid_scatter["network"], seed=6)
    for path, a in one.parameters.items():
        np.testing.assert_array_equal(a, two.parameters[path])
    assert not np.array_equal(one.parameters["layers.0.kernel"], other.parameters["layers.0.kernel"])
    drawn = build_network_from_json(grid_scatter["network"])
    again = build_network_from_json(grid_scatter["network"], seed=drawn.seed)
    np.testing.assert_array_equal(drawn.forward([0.5] * 8), again.forward([0.5] * 8))


def test_grid_scatter_puts_branches_at_their_positions() -> None:
    branch = {"type": "dense", "input_size": 1, "output_size": 1, "activation": "linear"}
    positions = [(2, 0, 0), (0, 1, 1), (1, 0, 1)]  # branch, row, column
    config = {
        "type": "parallel",
        "combine_mode": "grid_scatter",
        "grid_output_rows": 2,
        "grid_output_cols": 2,
        "grid_output_layers": 1,
        "grid_positions": [{"branch_index": b, "target_row": r, "target_col": c} for b, r, c in positions],
        "branches": [branch] * 3,
    }
    network = build_network_from_json({"layers": [config]})
    for value, p in enumerate(network.params[0]["branches"]):
        p["kernel"][...], p["bias"][...] = value + 1, 0
    # cells in order: (0, 0) branch 2, (0, 1) branch 1, (1, 0) empty, (1, 1) branch 0
    assert network.forward([[1.0], [10.0]]).tolist() == [[3, 2, 1], [30, 20, 10]]


DENSE = {"type": "dense", "input_size": 3, "output_size": 2}
GRID = {
    "type": "parallel",
    "combine_mode": "grid_scatter",
    "grid_output_rows": 2,
    "grid_output_cols": 1,
    "branches": [DENSE, DENSE],
}


def at(b: int, r: int) -> dict[str, int]:
    return {"branch_index": b, "target_row": r, "target_col": 0, "target_layer": 0}


BAD: dict[str, tuple[Any, str]] = {
    "not JSON": ("{", "config at byte 1"),
    "not an object": ("[1]", "expected an object, got an array"),
    "no layers": ({}, "layers: missing"),
    "empty layers": ({"layers": []}, "layers: a network needs at least one layer"),
    "layers not an array": ({"layers": {}}, "layers: expected an array, got an object"),
    "layer not an object": ({"layers": [3]}, r"layers\[0\]: expected an object, got a number"),
    "no type": ({"layers": [{}]}, r"layers\[0\].type: missing"),
    "unknown type": (
        {"layers": [{"type": "dens"}]},
        r"layers\[0\].type: unknown layer type: dens. Did you mean 'dense'",
    ),
    "unknown key": ({"layers": [{**DENSE, "outptu_size": 2}]}, r"layers\[0\].outptu_size: unknown key"),
    "unknown top key": (
        {"layers": [DENSE], "grid_row": 1},
        r"grid_row: unknown key 'grid_row'. Did you mean 'grid_rows'",
    ),
    "unknown activation": ({"layers": [{**DENSE, "activation": "bogus"}]}, r"layers\[0\].activation: unknown .*Known"),
    "activation type": ({"layers": [{**DENSE, "activation": []}]}, r"layers\[0\].activation: expected"),
    "activation id": ({"layers": [{**DENSE, "activation": 99}]}, "unknown activation id 99"),
    "size not a number": ({"layers": [{**DENSE, "output_size": "2"}]}, r"layers\[0\].output_size: expected a whole"),
    "size a fraction": ({"layers": [{**DENSE, "output_size": 2.5}]}, r"layers\[0\].output_size: expected a whole"),
    "size a boolean": ({"layers": [{**DENSE, "output_size": True}]}, r"layers\[0\].output_size: expected a whole"),
    "size zero": ({"layers": [{**DENSE, "output_size": 0}]}, r"layers\[0\].output_size: 0 must be at least"),
    "size negative": ({"layers": [{**DENSE, "input_size": -1}]}, r"layers\[0\].input_size: -1 must be at least"),
    "size NaN": ('{"layers": [{"type": "dense", "input_size": NaN, "output_size": 2}]}', "NaN is not a JSON number"),
    "size enormous": (
        {"layers": [{**DENSE, "output_size": 10**400}]},
        r"output_size: a number with very many",
    ),
    "number enormous": (
        {"layers": [{"type": "rms_norm", "norm_size": 2, "epsilon": 10**400}]},
        r"layers\[0\].epsilon: expected a finite number",
    ),
    "no input size": ({"layers": [{"type": "dense", "output_size": 2}]}, r"layers\[0\].input_size: missing"),
    "sizes clash": ({"layers": [DENSE, DENSE]}, r"layers\[1\]: dense takes 3 values but the layer before gives 2"),
    "grid clash": (
        {"grid_rows": 2, "grid_cols": 2, "layers_per_cell": 1, "layers": [DENSE]},
        "layer count mismatch: expected 4",
    ),
    "steps": (
        {"input_size": 5, "layers": [{"type": "rnn", "hidden_size": 2, "seq_length": 2}]},
        r"seq_length: 2 steps do not",
    ),
    "no hidden size": ({"layers": [{"type": "lstm", "input_size": 2}]}, r"layers\[0\].hidden_size: missing"),
    "no branches": ({"layers": [{"type": "parallel"}]}, r"layers\[0\].branches: missing"),
    "combine mode": ({"layers": [{**GRID, "combine_mode": "max"}]}, "combine_mode: unknown combine mode: max"),
    "deep path": (
        {"layers": [{"type": "parallel", "branches": [DENSE, {**GRID, "branches": [DENSE, {"type": "x"}]}]}]},
        r"layers\[0\].branches\[1\].branches\[1\].type: unknown layer type: x",
    ),
    "add sizes": (
        {"layers": [{"type": "parallel", "combine_mode": "add", "branches": [DENSE, {**DENSE, "output_size": 3}]}]},
        r"layers\[0\].branches: add needs branches of one output size, got \[2, 3\]",
    ),
    "positions missing": ({"layers": [{**GRID, "grid_positions": [at(0, 0)]}]}, "1 positions for 2 branches"),
    "position outside": (
        {"layers": [{**GRID, "grid_positions": [at(0, 0), at(1, 2)]}]},
        r"positions\[1\].target_row: 2 must be at least 0 and at most 1",
    ),
    "cell twice": (
        {"layers": [{**GRID, "grid_positions": [at(0, 0), at(1, 0)]}]},
        r"branch 0 is already in cell 0, 0, 0",
    ),
    "branch twice": ({"layers": [{**GRID, "grid_positions": [at(0, 0), at(0, 1)]}]}, "branch 0 already has a position"),
    "grid too small": ({"layers": [{**GRID, "grid_output_rows": 1}]}, "2 branches do not fit a grid of 1 × 1 × 1"),
    "branch inputs": (
        {"layers": [{"type": "parallel", "branches": [DENSE, {**DENSE, "input_size": 4}]}]},
        r"layers\[0\].branches\[1\]: dense takes 4 values",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_configurations_name_their_path(name: str) -> None:
    config, message = BAD[name]
    with pytest.raises((ConfigError, FormatError), match=message):
        build_network_from_json(config)


def test_endless_nesting_is_an_error() -> None:
    config: dict[str, Any] = copy.deepcopy(DENSE)
    for _ in range(2000):
        config = {"type": "parallel", "branches": [config]}
    with pytest.raises(ConfigError, match="layers nested deeper than 32"):
        build_network_from_json({"layers": [config]})
    with pytest.raises(FormatError, match="nested"):
        build_network_from_json('{"layers":' + "[" * 100_000)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "input: is empty"),
        ([1.0, 2.0], "input: expected a multiple of 3 values, got 2"),
        (["a", "b", "c"], r"input\[0\]: expected a number, got a string"),
        ([[1.0], [2.0, 3.0]], "input: expected numbers"),
        (None, "input: expected numbers"),
        ([1.0, None, 3.0], r"input\[1\]: expected a number, got null"),
        ([True, False, True], r"input\[0\]: expected a number, got a boolean"),
        ([10**400, 1, 2], "input: expected numbers"),
        ([[1.0, 2.0, 1j]], r"input\[0\]\[2\]: expected a number, got a Python complex"),
    ],
)
def test_bad_inputs(values: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_network_from_json({"layers": [DENSE]}).forward_cpu(values)


def test_arrays_of_the_caller_are_copied() -> None:
    layers = [{"type": "dense", "input_size": 3, "output_size": 3}, {"type": "softmax"}]
    target = np.array([[0.0, 1.0, 0.0]], np.float32)
    gradients = []
    for touch in (False, True):
        network = build_network_from_json({"layers": layers}, seed=1)
        x = np.array([[1, 2, 3]], np.float32)
        y = network.forward(x)
        if touch:
            x[:] = 0
            y -= target
            network.backward(y)
        else:
            network.backward(y - target)
        gradients.append(network.gradients["layers.0.kernel"])
    np.testing.assert_array_equal(*gradients)


def test_a_batch_of_the_wrong_width_is_not_cut_up() -> None:
    with pytest.raises(InputError, match="input: expected 3 values a sample, got 6"):
        build_network_from_json({"layers": [DENSE]}).forward(np.ones((2, 6)))


def test_a_failed_pass_carries_nothing_on() -> None:
    layers = [
        {"type": "rnn", "input_size": 2, "hidden_size": 2, "stateful": True},
        {"type": "mha", "d_model": 2, "num_heads": 1, "cache_length": 2},
    ]
    network, fresh = (build_network_from_json({"layers": layers}, seed=1) for _ in range(2))
    x = np.ones((1, 2))
    for _ in range(2):
        network.forward(x)
        fresh.forward(x)
    for _ in range(3):
        with pytest.raises(InputError, match="do not fit the cache"):
            network.forward(x)
    carried, expected = network.states(1), fresh.states(1)
    np.testing.assert_array_equal(carried[0]["h"], expected[0]["h"])
    assert carried[1]["length"] == expected[1]["length"] == 2


@pytest.mark.parametrize("seed", [-1, 1.5, "x", True, 2**63])
def test_bad_seeds(seed: Any) -> None:
    network = build_network_from_json({"layers": [DENSE]}, seed=4)
    with pytest.raises(InputError, match=r"seed: (expected a whole number|.* must be at least 0 and at most)"):
        network.initialize_weights(seed)
    assert network.seed == 4
    with pytest.raises(InputError, match=r"seed: (expected a whole number|.* must be at least 0 and at most)"):
        build_network_from_json({"layers": [DENSE]}, seed=seed)


def test_casting() -> None:
    network = build_network_from_json({"layers": [DENSE]}, seed=4)
    wide = network.astype(np.float64)
    wide.initialize_weights(4)
    assert all(a.dtype == np.float64 for a in wide.parameters.values())
    with pytest.raises(InputError, match="expected float32 or float64"):
        network.astype("int32")


@pytest.mark.parametrize(
    "layer",
    [
        {"type": "dense", "input_size": 2_000_000, "output_size": 2_000_000},
        {"type": "lstm", "input_size": 2**31 - 1, "hidden_size": 2**31 - 1},
        {"type": "conv1d", "input_length": 4, "filters": 1, "kernel_size": 1, "padding": 2**31 - 1},
    ],
)
def test_sizes_no_memory_holds(layer: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"layers\[0\]"):
        build_network_from_json({"layers": [layer]})


def test_replaced_layers_are_checked_everywhere() -> None:
    network = build_network_from_json({"layers": [DENSE, {"type": "dense", "output_size": 1}]})
    network.set_layer(0, 0, 0, {"Type": 0, "InputHeight": 3, "OutputHeight": 5})
    for use in (
        lambda: network.evaluate_network([[1, 2, 3]], [1]),
        lambda: network.save_model_to_string("m"),
        lambda: network.forward([1, 2, 3]),
    ):
        with pytest.raises(ConfigError, match=r"layers\[1\]: dense takes 2 values but the layer before gives 5"):
            use()


def test_backward_before_forward() -> None:
    network = build_network_from_json({"layers": [DENSE]})
    with pytest.raises(InputError, match="forward pass first"):
        network.backward_cpu([1.0, 1.0])
    with pytest.raises(InputError, match="backward pass first"):
        network.update_weights(0.1)
    network.forward_cpu([1, 2, 3])
    with pytest.raises(InputError, match="grad_output: the output has 2 values, its gradient 3"):
        network.backward_cpu([1.0, 1.0, 1.0])


def test_update_weights_is_plain_sgd_on_everything(grid_scatter: dict[str, Any]) -> None:
    network = build_network_from_json(grid_scatter["network"], seed=3)
    before = {path: a.copy() for path, a in network.parameters.items()}
    network.forward_cpu([0.3] * 8)
    network.backward_cpu([1.0, -2.0])
    gradients = {path: g.copy() for path, g in network.gradients.items()}
    network.update_weights(0.5)
    for path, a in network.parameters.items():
        np.testing.assert_allclose(a, before[path] - 0.5 * gradients[path], rtol=1e-6, atol=1e-7)
    assert sum(np.asarray(g).size for g in network.kernel_gradients() + network.bias_gradients() if g is not None) == (
        network.get_total_parameters()
    )
    network.zero_gradients()
    assert not any(g.any() for g in network.gradients.values())


def test_methods_describe_themselves() -> None:
    network = build_network_from_json({"layers": [DENSE]})
    names = network.list_methods()
    assert names == sorted(names)
    expected = {
        "ForwardCPU",
        "BackwardCPU",
        "Train",
        "EvaluateNetwork",
        "SaveModelToString",
        "GetMethodsJSON",
        "TotalLayers",
    }
    assert expected <= set(names)
    assert not any(name.startswith("_") or "Trace" in name for name in names)
    assert network.has_method("ForwardCPU")
    assert not network.has_method("__init__")
    assert network.get_method_signature("ForwardCPU") == "ForwardCPU([]float32) ([]float32, time.Duration)"
    with pytest.raises(InputError, match="method Nope not found"):
        network.get_method_signature("Nope")
    records = {r["method_name"]: r for r in json.loads(network.get_methods_json())}
    assert set(records) == set(names)
    assert records["Train"]["parameters"][0] == {"name": "batches", "type": "[]TrainingBatch", "optional": False}
    assert all(r["doc"] for r in records.values())


def test_layer_count_is_checked_natively_too() -> None:
    with pytest.raises(ConfigError, match="layer count mismatch: expected 2"):
        Network([], grid=(1, 1, 2))
