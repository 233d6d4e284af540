"""The networks of the original's tests by name; those of tests 13 to 19 are described here.

Widths, activations and initial weights are the original's. The layers are ours: attention has heads (in
the original `HeadDim` stays 0 from test 16 on and the layer's output is constant), and every gradient is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..errors import InputError
from ..network.loading import build_network_from_json
from ..network.network import Network
from ..nn.layer import Layer, Params
from .configs import Config, attention, conv, dense, named, parallel, recurrent
from .stacks import STACKS, initialise

FAMILIES = ("Dense", "Conv2D", "RNN", "LSTM", "Attn")
DEPTHS = (3, 5, 9)
MIXTURE = ("Dense", "Conv2D", "RNN", "LSTM", "Attention", "Norm", "SwiGLU", "Parallel", "Mixed")
"""The nine networks of tests 13, 14 and 15."""
TWENTY = 20


def build(group: str, model: str, outputs: int, seed: int) -> Network:
    """Build `model` of a group with fresh weights: small, large, twenty, depth, agent (below), or one of `STACKS`."""
    makers: dict[str, Callable[[str], tuple[int, list[Config]]]] = {
        "small": _small,
        "large": _large,
        "twenty": _twenty,
        "depth": _by_depth,
        "agent": _agent,
    }
    size, layers = named(STACKS[group], model) if group in STACKS else makers[group](model)
    config = {"input_size": size, "layers": [*layers, dense(outputs, "sigmoid")]}
    network = build_network_from_json(config, seed=seed)
    if group in STACKS:
        initialise(network, np.random.default_rng([seed, 1]))
        return network
    # the original builds its recurrent layers by hand in tests 13 to 15, by InitRNNLayer and InitLSTMLayer later
    _initialise(network, np.random.default_rng([seed, 1]), xavier=group in ("depth", "agent"))
    return network


def _small(model: str) -> tuple[int, list[Config]]:
    """Test 13: all layers but the last."""
    norms = [{"type": "layer_norm"}, {"type": "rms_norm"}]
    return named(
        {
            "Dense": (4, [dense(16), dense(8, "tanh")]),
            "Conv2D": (16, [conv(4, 4, 2)]),
            "RNN": (12, [recurrent("rnn", 4, 8, 3)]),
            "LSTM": (12, [recurrent("lstm", 4, 8, 3)]),
            "Attention": (16, [attention(4, 2)]),
            "Norm": (8, [dense(8), *norms]),
            "SwiGLU": (8, [dense(16), {"type": "swiglu", "output_size": 32}]),
            "Parallel": (4, [dense(8), parallel(8, "leaky_relu", "tanh")]),
            "Mixed": (8, [dense(16), {"type": "layer_norm"}, parallel(8, "leaky_relu", "tanh")]),
        },
        model,
    )


def _large(model: str) -> tuple[int, list[Config]]:
    """Test 14: all layers but the last."""
    norms: list[Config] = [{"type": "layer_norm"}, dense(16), {"type": "rms_norm"}]
    three = ("leaky_relu", "tanh", "sigmoid")
    return named(
        {
            "Dense": (8, [dense(64), dense(32, "tanh"), dense(16)]),
            "Conv2D": (64, [conv(8, 8, 3), dense(32)]),
            "RNN": (32, [recurrent("rnn", 4, 32, 8)]),
            "LSTM": (32, [recurrent("lstm", 4, 32, 8)]),
            "Attention": (64, [dense(64), attention(8, 4)]),
            "Norm": (16, [dense(32), *norms]),
            "SwiGLU": (16, [dense(32), {"type": "swiglu", "output_size": 64}]),
            "Parallel": (8, [dense(32), parallel(32, *three)]),
            "Mixed": (16, [dense(64), {"type": "layer_norm"}, dense(32), parallel(16, *three)]),
        },
        model,
    )


def _twenty(model: str) -> tuple[int, list[Config]]:
    """Test 15: twenty layers each, 32 wide."""

    def filled(size: int, first: list[Config]) -> tuple[int, list[Config]]:
        return size, first + [dense(32, ("leaky_relu", "tanh")[i % 2]) for i in range(len(first), TWENTY - 1)]

    def pattern(size: int, layer: Callable[[int], Config]) -> tuple[int, list[Config]]:
        return size, [dense(32), *(layer(i) for i in range(1, TWENTY - 1))]

    def plain(i: int) -> Config:
        return dense(32, ("tanh", "leaky_relu")[i % 2])

    def mixed(i: int) -> Config:
        both = parallel(32, "leaky_relu", "tanh")
        return (dense(32), {"type": "layer_norm"}, dense(32, "tanh"), both, dense(32, "sigmoid"))[i % 5]

    both = parallel(32, "leaky_relu", "tanh")
    makers: dict[str, tuple[int, list[Config]]] = {
        "Dense": filled(8, [dense(32)]),
        "Conv2D": filled(64, [conv(8, 8, 3), dense(32)]),
        "RNN": filled(32, [recurrent("rnn", 4, 32, 8), dense(32)]),
        "LSTM": filled(32, [recurrent("lstm", 4, 32, 8), dense(32)]),
        "Attention": filled(64, [dense(64), attention(8, 4), dense(32)]),
        "Norm": pattern(16, lambda i: plain(i) if i % 4 else {"type": "layer_norm"}),
        "SwiGLU": filled(16, [dense(32), {"type": "swiglu", "output_size": 32}]),
        "Parallel": pattern(8, lambda i: plain(i) if i % 3 else both),
        "Mixed": pattern(16, mixed),
    }
    return named(makers, model)


def _agent(model: str) -> tuple[int, list[Config]]:
    """Test 17: six dense layers."""
    return named({"Dense-6L": (8, [dense(n) for n in (32, 64, 64, 64, 32)])}, model)


def _by_depth(model: str) -> tuple[int, list[Config]]:
    """Tests 16, 18 and 19: `Dense-3L`, `LSTM-9L`, …"""
    family, _, depth = model.partition("-")
    if family not in FAMILIES or not depth.endswith("L") or not depth[:-1].isdigit() or not 2 <= int(depth[:-1]) <= 64:
        remedy = f"A family ({', '.join(FAMILIES)}) and a depth of 2 to 64, such as Dense-3L."
        raise InputError(f"unknown network {model!r}", where="model", remedy=remedy)
    hidden = int(depth[:-1]) - 1
    if family == "Dense":
        return 8, [dense((64, 48, 32, 24, 16)[i % 5]) for i in range(hidden)]
    if family == "Conv2D":
        return 64, [conv(8, 8, 3), *(dense(64) for _ in range(hidden - 1))]
    if family == "Attn":
        return 64, [dense(64) if i % 2 else attention(64, 4) for i in range(hidden)]
    return 32, [recurrent(family, 8, 8, 4) if i % 2 else dense(32) for i in range(hidden)]


# --- initial weights ---
def _initialise(network: Network, rng: np.random.Generator, xavier: bool) -> None:
    for layer, params in zip(network.layers, network.params, strict=True):
        _fill(layer, params, rng, xavier)


def _fill(layer: Layer, p: Params, rng: np.random.Generator, xavier: bool) -> None:
    """*In place*. Dense: N(0, 2/in), b = 0 (He et al. 2015); convolution U(±0.2); recurrent: unchanged, or Xavier."""
    if layer.kind == "dense":
        p["kernel"][...] = rng.normal(0, math.sqrt(2 / p["kernel"].shape[0]), p["kernel"].shape)
        p["bias"][...] = 0
    elif layer.kind == "conv2d":
        p["kernel"][...] = rng.uniform(-0.2, 0.2, p["kernel"].shape)
        p["bias"][...] = 0
    elif layer.kind in ("rnn", "lstm") and xavier:
        hidden, inputs = p["weight_hh"].shape[1], p["weight_ih"].shape[1]
        p["weight_ih"][...] = rng.normal(0, math.sqrt(2 / (hidden + inputs)), p["weight_ih"].shape)
        p["weight_hh"][...] = rng.normal(0, math.sqrt(1 / hidden), p["weight_hh"].shape)
        if layer.kind == "lstm":
            p["bias"][hidden : 2 * hidden] = 1  # the forget gate; gates are stacked i, f, g, o
    elif layer.kind == "multi_head_attention" and xavier:
        width, size = p["q"].shape[0], p["q"].shape[0] // 4
        for name in "qkvo":
            p[name][...] = rng.uniform(-0.1, 0.1, p[name].shape) / math.sqrt(width if name == "o" else size)
    elif layer.kind == "parallel":
        for child in layer.children():
            if child.key == "branches":
                _fill(child.layer, child.part(p), rng, xavier)
