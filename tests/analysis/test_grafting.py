"""Grafted networks compute what their branches compute, with copied or with shared weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loom_py import Network, build_network_from_json
from loom_py.analysis import graft_networks, scale_weights
from loom_py.errors import ConfigError, InputError

MODES = ("concat", "add", "avg", "grid_scatter", "filter")
X = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)


def networks(count: int = 3, middle: dict[str, Any] | None = None) -> list[Network]:
    kinds = [
        middle or {"type": "dense", "output_size": 6, "activation": "tanh"},
        {"type": "lstm", "input_size": 6, "hidden_size": 6, "seq_length": 1},
        {"type": "swiglu", "output_size": 5},
    ]
    first = {"type": "dense", "output_size": 6}
    return [build_network_from_json({"input_size": 6, "layers": [first, kinds[i % 3]]}, seed=i) for i in range(count)]


def alone(network: Network, i: int, x: np.ndarray) -> np.ndarray:
    return network.layers[i].forward(network.ops, network.params[i], x, {}, False)[0]


@pytest.mark.parametrize("mode", MODES)
def test_combines_the_layers(mode: str) -> None:
    nets = networks()
    graft = graft_networks(nets, mode, seed=4)
    parts = [alone(n, 1, X) for n in nets]
    y = graft.network().forward(X)
    if mode in ("concat", "grid_scatter"):
        expected = np.concatenate(parts, axis=1)
    elif mode == "filter":
        gate = graft.params["gate"][0]
        logits = X @ gate["kernel"] + gate["bias"]
        weights = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        expected = sum(weights[:, i : i + 1] * part for i, part in enumerate(parts))
    else:
        expected = sum(parts) / (3 if mode == "avg" else 1)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("share", [False, True])
def test_weights_shared_or_copied(share: bool) -> None:
    nets = networks()
    grafted = graft_networks(nets, "add", share_weights=share).network()
    before = [n.params[1] for n in nets]
    kept = nets[0].params[1]["kernel"].copy()
    assert all(np.shares_memory(before[0][k], grafted.params[0]["branches"][0][k]) == share for k in before[0])
    grafted.forward(X)
    grafted.backward(np.ones((3, 6)))
    grafted.update_weights(0.1)
    assert (nets[0].params[1]["kernel"] == kept).all() != share


def test_whole_networks_parallel_layers_and_places() -> None:
    nets = networks(2)
    whole = graft_networks(nets, "concat", position=None).network()
    np.testing.assert_allclose(whole.forward(X), np.concatenate([n.forward(X) for n in nets], axis=1), rtol=1e-6)
    branches = [{"type": "dense", "output_size": 2}, {"type": "dense", "output_size": 3}]
    side = networks(1, {"type": "parallel", "branches": branches})
    graft = graft_networks([*side, nets[1]], "grid_scatter")
    assert [b.out_size for b in graft.layer.branches] == [2, 3, 6]
    assert graft.layer.grid == (2, 2, 1)
    parts = [alone(side[0], 1, X), alone(nets[1], 1, X)]
    np.testing.assert_allclose(graft.network().forward(X), np.concatenate(parts, axis=1), rtol=1e-6)
    first = graft_networks(nets, position=(0, 0, 0))
    assert [b.out_size for b in first.layer.branches] == [6, 6]


def test_into_another_network() -> None:
    nets = networks()
    graft = graft_networks(nets, "avg")
    host = networks(1)[0]
    host.set_layer(0, 0, 1, graft.to_config())
    hidden = alone(host, 0, X)
    np.testing.assert_allclose(host.forward(X), graft.network().forward(hidden), rtol=1e-5, atol=1e-7)


def test_scale_weights() -> None:
    net = networks(1)[0]
    kernel = net.params[0]["kernel"]
    expected = kernel * np.float32(0.5)
    scale_weights(net.params[0], 0.5)
    assert net.params[0]["kernel"] is kernel
    np.testing.assert_array_equal(kernel, expected)
    nested = graft_networks(networks(2), "add").params
    before = nested["branches"][1]["weight_hh"].copy()
    scale_weights(nested, 2)
    np.testing.assert_array_equal(nested["branches"][1]["weight_hh"], 2 * before)


def test_bad_input() -> None:
    nets = networks()
    with pytest.raises(InputError, match="at least one"):
        graft_networks([])
    with pytest.raises(InputError, match=r"networks\[0\]"):
        graft_networks(nets, position=(0, 0, 2))
    with pytest.raises(ConfigError, match="unknown combine mode"):
        graft_networks(nets, "sum")
    wide = build_network_from_json({"input_size": 6, "layers": [{"type": "dense", "output_size": 4}] * 2}, seed=1)
    with pytest.raises(ConfigError, match=r"branches\[1\]"):
        graft_networks([nets[0], wide])
    odd = networks(1, {"type": "dense", "output_size": 5})
    with pytest.raises(ConfigError, match="one output size"):
        graft_networks([nets[0], *odd], "add")
    with pytest.raises(InputError, match="float64"):
        graft_networks([nets[0], nets[1].astype(np.float64)])
