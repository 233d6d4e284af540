"""Layers of layers return the layers inside them, and accept others in their place."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from loom_py import build_network_from_json
from loom_py.nn import Layer
from loom_py.nn.layer import Params, leaves, walk

from .examples import EXAMPLES, network_config


def paths(layer: Layer, tree: Params, path: str) -> list[str]:
    """Paths of all tensors, by way of `children`."""
    inside = layer.children()
    if not inside:
        return [name for name, _ in leaves(tree, path)]
    return [name for c in inside for name in paths(c.layer, c.part(tree), f"{path}.{c.path}")]


@pytest.mark.parametrize("name", EXAMPLES)
def test_children_hold_every_parameter(name: str) -> None:
    network = build_network_from_json(network_config(name), seed=1)
    names = [p for i, layer in enumerate(network.layers) for p in paths(layer, network.params[i], f"layers.{i}")]
    assert sorted(names) == sorted(network.parameters)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_layer_with_its_own_children_is_the_same(name: str) -> None:
    for layer in build_network_from_json(network_config(name), seed=1).layers:
        assert layer.with_children([child.layer for child in layer.children()]) == layer


def test_other_children_take_their_places() -> None:
    def dense(size: int) -> dict[str, Any]:
        return {"type": "dense", "output_size": size, "activation": "linear"}

    nested = {"type": "sequential", "layers": [dense(3), dense(2)]}
    layer = {"type": "parallel", "combine_mode": "filter", "branches": [nested, dense(2)], "filter_gate": dense(2)}
    network = build_network_from_json({"input_size": 4, "layers": [layer]}, seed=1)
    (outer,) = network.layers
    assert [child.place for child in outer.children()] == ["branches[0]", "branches[1]", "filter_gate"]
    assert [inner.kind for inner in walk(outer)] == ["parallel", "sequential", *["dense"] * 4]

    def zeroed(layer: Layer) -> Layer:
        children = [zeroed(child.layer) for child in layer.children()]
        return layer.with_children(children) if children else dataclasses.replace(layer, activation="relu")

    (network.layers[0],) = [zeroed(outer)]
    assert {inner.activation for inner in walk(network.layers[0]) if inner.kind == "dense"} == {"relu"}
    assert network.forward(np.ones(4)).shape == (1, 2)
