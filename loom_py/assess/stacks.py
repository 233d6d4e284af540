"""The networks of the original's tests 1 to 12: stacks of one kind of layer between dense ones.

Widths, activations and initial weights are the original's, the layers ours. Every network ends in one more dense layer,
of sigmoids, with an output for each class.
"""

from __future__ import annotations

import numpy as np

from ..network.network import Network
from .configs import Config, attention, dense, recurrent, same_conv

Stack = tuple[int, list[Config]]
NORM, RMS = {"type": "layer_norm"}, {"type": "rms_norm"}


def _tanh(*sizes: int) -> list[Config]:
    return [dense(size, "tanh") for size in sizes]


def _kinds(count: int) -> dict[str, Stack]:
    """8 inputs, a dense layer of 32, and `count` layers of one kind, 32 wide."""
    layers = {
        "Dense": dense(32, "tanh"),
        "SwiGLU": {"type": "swiglu", "output_size": 32},
        "Attention": attention(32, 4),
        "RNN": recurrent("rnn", 32, 32, 1),
        "LSTM": recurrent("lstm", 32, 32, 1),
        "Conv2D": same_conv(1, 32, 1, 1, "tanh"),
    }
    return {name: (8, [*_tanh(32), *[layer] * count]) for name, layer in layers.items()}


def _five(layer: Config) -> Stack:
    return 16, [*_tanh(16), *[layer] * 5]


STACKS: dict[str, dict[str, Stack]] = {
    "dense": {
        "8-32-16-2": (8, _tanh(32, 16)),
        "8-64-128-64-2": (8, _tanh(64, 128, 64)),
        "4-16-8-3": (4, _tanh(16, 8)),
        "32-128-256-128-64-8": (32, _tanh(128, 256, 128, 64)),
        "6-64-64-32-16-2": (6, _tanh(64, 64, 32, 16)),
        "2-64-64-2": (2, _tanh(64, 64)),
    },
    "one of each": {
        "Dense": (16, _tanh(32, 16)),
        "Deep-5L": (16, _tanh(64, 128, 64, 32)),
        "RNN": (16, [*_tanh(16), recurrent("rnn", 16, 16, 1)]),
        "LSTM": (16, [*_tanh(16), recurrent("lstm", 16, 16, 1)]),
        "LayerNorm": (16, [*_tanh(32), NORM]),
        "RMSNorm": (16, [*_tanh(32), RMS]),
        "SwiGLU": (16, [*_tanh(32), {"type": "swiglu", "output_size": 32}]),
        "Attention": (16, [*_tanh(16), attention(16, 2)]),
    },
    "five of each": {
        "Dense": (16, _tanh(32, 32, 32, 32, 32, 16)),
        "Conv2D": (
            16,
            [
                same_conv(4, 4, 1, 2, "relu"),
                same_conv(4, 4, 2, 2, "relu"),
                same_conv(4, 4, 2, 1, "relu"),
                *_tanh(8),
            ],
        ),
        "LayerNorm": (16, [*_tanh(32), NORM] * 5),
        "RMSNorm": (16, [*_tanh(32), RMS] * 5),
        "RNN": _five(recurrent("rnn", 16, 16, 1)),
        "LSTM": _five(recurrent("lstm", 16, 16, 1)),
        "Attention": _five(attention(16, 2)),
    },
    "normed": {"Dense-20L": (8, [*_tanh(32), NORM] * 19)},
    "eighteen of each": _kinds(18),
    "five between": _kinds(5),
}
"""STACKS[group][model]: input size and layers. Tests 1 to 5, 8 and 9; 6; 7; 10; 11; 12."""
RANGES: dict[str, float] = {"multi_head_attention": 0.1, "rnn": 0.1, "lstm": 0.1, "swiglu": 0.1}


def initialise(network: Network, rng: np.random.Generator) -> None:
    """*In place*, the original's `InitializeWeights`.

    Dense and convolution: U(±1/n) for n inputs of a value, b ~ U(0, 0.01). Attention, recurrent, SwiGLU: U(±0.1),
    b = 0. Norms: unchanged.
    """
    for layer, params in zip(network.layers, network.params, strict=True):
        if layer.kind in ("dense", "conv2d"):
            kernel = params["kernel"]
            inputs = kernel.shape[0] if layer.kind == "dense" else kernel[0].size
            kernel[...] = rng.uniform(-1 / inputs, 1 / inputs, kernel.shape)
            params["bias"][...] = rng.uniform(0, 0.01, params["bias"].shape)
        elif layer.kind in RANGES:
            for w in params.values():
                limit = 0.0 if w.ndim == 1 else RANGES[layer.kind]
                w[...] = rng.uniform(-limit, limit, w.shape)
