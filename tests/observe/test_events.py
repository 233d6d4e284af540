"""Events: complete, in order, and without any effect on what is computed."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from loom_py import build_network_from_json
from loom_py.errors import InputError
from loom_py.network.blueprint import network_blueprint
from loom_py.observe import CallbackObserver, LayerEvent, LayerStats, Observer
from loom_py.runtime import numpy_ops

from ..nn.examples import EXAMPLES, IN_SIZE, TOKENS, network_config

NESTED: dict[str, Any] = {
    "grid_rows": 1,
    "grid_cols": 2,
    "layers_per_cell": 2,
    "id": "nested",
    "layers": [
        {"type": "dense", "input_size": 4, "output_size": 4, "activation": "tanh"},
        {
            "type": "parallel",
            "combine_mode": "filter",
            "branches": [
                {"type": "sequential", "layers": [{"type": "dense", "output_size": 3}, {"type": "rms_norm"}]},
                {"type": "dense", "output_size": 3},
            ],
        },
        {"type": "dense", "output_size": 3},
        {"type": "softmax"},
    ],
}


def collect(network: Any) -> list[LayerEvent]:
    events: list[LayerEvent] = []
    network.add_observer(CallbackObserver(events.append))
    return events


@pytest.mark.parametrize("name", EXAMPLES)
def test_watching_changes_nothing_and_sees_every_layer(name: str) -> None:
    rng = np.random.default_rng(0)
    tokens = name == "embedding"
    x = rng.integers(0, TOKENS, (2, IN_SIZE)) if tokens else rng.normal(size=(2, IN_SIZE))
    plain, seen = (build_network_from_json(network_config(name), seed=3) for _ in range(2))
    events = collect(seen)
    y = plain.forward(x)
    np.testing.assert_array_equal(seen.forward(x), y)
    gy = rng.normal(size=y.shape)
    np.testing.assert_array_equal(seen.backward(gy), plain.backward(gy))
    for path, g in plain.gradients.items():
        np.testing.assert_array_equal(seen.gradients[path], g)
    forward = [e for e in events if e.type == "forward"]
    backward = [e for e in events if e.type == "backward"]
    assert {e.place.path for e in forward} == {e.place.path for e in backward}
    top = [e.place.layer_idx for e in forward if e.place.branch_idx == -1]
    assert top == list(range(len(seen.layers)))
    assert [e.place.layer_idx for e in backward if e.place.branch_idx == -1] == top[::-1]
    weights = {p.rsplit(".", 1)[0] for p in seen.parameters}
    assert weights <= {e.place.path for e in forward}, "a layer with weights ran unseen"
    np.testing.assert_array_equal(forward[-1].output, y)
    assert all(e.output.shape == e.input.shape or e.output.shape[0] == 2 for e in events)
    assert backward[0].grads["kernel"] is seen.gradients[f"layers.{len(top) - 1}.kernel"]


def test_places_in_a_nested_grid() -> None:
    network = build_network_from_json(NESTED, seed=1)
    events = collect(network)
    network.forward(np.ones((3, 4)))
    rows = [(e.place.path, e.place.grid_col, e.place.cell_layer, e.place.branch_idx) for e in events]
    assert rows == [
        ("layers.0", 0, 0, -1),
        ("layers.1.branches.0.layers.0", 0, 1, 0),
        ("layers.1.branches.0.layers.1", 0, 1, 1),
        ("layers.1.branches.0", 0, 1, 0),
        ("layers.1.branches.1", 0, 1, 1),
        ("layers.1.gate.0", 0, 1, 2),
        ("layers.1", 0, 1, -1),
        ("layers.2", 1, 0, -1),
        ("layers.3", 1, 1, -1),
    ]
    parallel = {e.place.path for e in events if e.place.is_parallel_branch}
    assert parallel == {"layers.1.branches.0", "layers.1.branches.1"}
    assert {e.model_id for e in events} == {"nested"}


def test_json_has_the_original_keys_and_round_numbers() -> None:
    network = build_network_from_json(NESTED, seed=1)
    events = collect(network)
    network.forward(np.ones((1, 4)))
    record = json.loads(json.dumps(events[-1].to_json(), allow_nan=False))
    assert list(record) == [
        *("mode", "Type", "LayerIdx", "LayerType", "Stats", "Input", "Output", "step_count"),
        *("grid_row", "grid_col", "cell_layer", "model_id", "branch_idx", "is_parallel_branch", "path"),
    ]
    assert (record["mode"], record["Type"], record["LayerIdx"], record["LayerType"]) == ("normal", "forward", 3, 5)
    output = np.asarray(record["Output"], np.float32)
    np.testing.assert_array_equal(output, events[-1].output.ravel())
    assert record["Stats"]["TotalNeurons"] == record["Stats"]["ActiveNeurons"] == 3
    assert record["Stats"]["AvgActivation"] == pytest.approx(1 / 3)
    assert events[-1].to_json(values=False)["Output"] is None


def test_statistics_of_one_array() -> None:
    stats = LayerStats.of(np.array([[-1.0, 0.0, 3.0]]), "dense")
    assert (stats.average, stats.maximum, stats.minimum, stats.active, stats.total) == (2 / 3, 3.0, -1.0, 1, 3)
    assert LayerStats.of(np.empty((0, 2))).total == 0
    broken = LayerStats.of(np.array([np.nan, 1.0])).to_json()
    assert broken["AvgActivation"] is None


def test_step_mode_carries_the_tick_and_normal_passes_do_not() -> None:
    network = build_network_from_json(NESTED, seed=1)
    assert network.layers_to_run(step=5) is network.layers, "nobody watches: the layers themselves"
    events = collect(network)
    layer = network.layers_to_run(step=5)[0]
    layer.forward(numpy_ops, network.params[0], np.ones((1, 4), np.float32), {}, False)
    assert [(e.mode, e.step_count) for e in events] == [("step", 5)]
    network.forward(np.ones((1, 4)))
    assert {(e.mode, e.step_count) for e in events[1:]} == {("normal", 0)}


def test_a_replaced_layer_is_watched_too() -> None:
    network = build_network_from_json(NESTED, seed=1)
    events = collect(network)
    network.forward(np.ones((1, 4)))
    config = {"TypeName": "dense", "InputHeight": 3, "OutputHeight": 3, "Activation": "tanh"}
    network.set_layer(0, 1, 0, config)
    events.clear()
    y = network.forward(np.ones((1, 4)))
    network.remove_observer(network._observers[0])
    np.testing.assert_array_equal(y, network.forward(np.ones((1, 4))))
    assert len(events) == 9


def test_attaching() -> None:
    network = build_network_from_json(NESTED, seed=1)

    class Count(Observer):
        forwards = backwards = closed = 0

        def on_forward(self, event: LayerEvent) -> None:
            self.forwards += 1

        def on_backward(self, event: LayerEvent) -> None:
            self.backwards += 1

        def close(self) -> None:
            self.closed += 1

    count = Count()
    with network.observing(count):
        network.add_observer(count)  # once is enough
        network.forward(np.ones((1, 4)))
        network.backward(np.ones((1, 3)))
    assert (count.forwards, count.backwards, count.closed) == (9, 9, 1)
    assert network.layers_to_run() is network.layers
    network.forward(np.ones((1, 4)))
    assert count.forwards == 9
    with pytest.raises(InputError), network.observing(count):
        network.forward(np.ones((1, 5)))
    assert count.closed == 2
    assert network.layers_to_run() is network.layers, "also after an error inside"
    with pytest.raises(InputError, match="not attached"):
        network.remove_observer(count)
    with pytest.raises(InputError, match="expected an Observer"):
        network.add_observer(print)  # type: ignore[arg-type]


def test_observation_costs_nothing_without_observers() -> None:
    """Without observers a pass runs the network's own layers, whatever was attached before."""
    network = build_network_from_json(NESTED, seed=1)
    own = list(network.layers)
    with network.observing(Observer()):
        assert not any(a is b for a, b in zip(network.layers_to_run(), own, strict=True))
    assert network.layers_to_run() is network.layers
    assert all(a is b and not {"forward", "backward"} & set(vars(a)) for a, b in zip(network.layers, own, strict=True))


def test_blueprints_of_several_models() -> None:
    nested = build_network_from_json(NESTED, seed=1)
    dense = build_network_from_json({"layers": [{"type": "dense", "input_size": 2, "output_size": 1}]}, seed=1)
    models = network_blueprint({"a": nested, "b": dense})["models"]
    assert [(m["id"], m["total_layers"], m["total_parameters"]) for m in models] == [
        ("a", 4, nested.get_total_parameters()),
        ("b", 1, 3),
    ]
    assert [b["type"] for b in models[0]["layers"][1]["branches"]] == ["sequential", "dense"]
