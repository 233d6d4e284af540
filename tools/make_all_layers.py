"""Writes the files of the all-layers page: a trained network with a layer of every kind and every softmax variant.

`python -m tools.make_all_layers` writes test.json (a bundle), inputs.txt and outputs.txt (a sample a line) into
web/demos/all_layers/. What they hold is computed natively; the page computes it again in the browser.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loom_py import Network, build_network_from_json
from tools import console, files, paths

FOLDER = paths.REPOSITORY / "web" / "demos" / "all_layers"
MODEL_ID = "all_layers"
SAMPLES, TOKENS, VOCABULARY = 6, 8, 12
VARIANTS: tuple[dict[str, Any], ...] = (
    {"softmax_variant": "standard"},
    {"softmax_variant": "grid", "softmax_rows": 2, "softmax_cols": 4},
    {"softmax_variant": "hierarchical", "hierarchy_levels": [2, 4]},
    {"softmax_variant": "temperature", "temperature": 0.5},
    {"softmax_variant": "gumbel", "temperature": 0.8, "seed": 7},
    {"softmax_variant": "masked", "mask": [True] * 6 + [False] * 2},
    {"softmax_variant": "sparse"},
    {"softmax_variant": "entmax", "entmax_alpha": 1.5},
    {"softmax_variant": "adaptive", "adaptive_clusters": [[0, 1, 2], [3, 4]]},
    {"softmax_variant": "mixture", "mixture_weights": [0.7, 0.3]},
)
CONFIG: dict[str, Any] = {
    "id": MODEL_ID,
    "input_size": TOKENS,
    "layers": [
        {"type": "embedding", "vocab_size": VOCABULARY, "embedding_dim": 4},
        {"type": "multi_head_attention", "d_model": 4, "num_heads": 2, "seq_length": TOKENS},
        {"type": "residual", "skip": 1},
        {"type": "rms_norm", "norm_size": 4, "epsilon": 1e-6},
        {
            **{"type": "conv2d", "input_channels": 2, "input_height": 4, "input_width": 4, "filters": 4},
            **{"kernel_size": 3, "stride": 2, "padding": 1, "activation": "leaky_relu"},
        },
        {"type": "conv1d", "input_channels": 4, "filters": 4, "kernel_size": 3, "padding": 1, "activation": "tanh"},
        {"type": "rnn", "input_size": 4, "hidden_size": 4, "seq_length": 4},
        {"type": "lstm", "input_size": 4, "hidden_size": 4, "seq_length": 4},
        {"type": "layer_norm", "norm_size": 16},
        {"type": "swiglu", "input_size": 16, "output_size": 24},
        {
            "type": "sequential",
            "layers": [
                {"type": "dense", "output_size": 12, "activation": "gelu"},
                {"type": "dense", "output_size": 8, "activation": "linear"},
            ],
        },
        {
            "type": "parallel",
            "combine_mode": "concat",
            "branches": [{"type": "softmax", **variant} for variant in VARIANTS],
        },
        {"type": "dense", "output_size": 2, "activation": "linear"},
        {"type": "softmax"},
    ],
}
TRAINING = {"Epochs": 150, "LearningRate": 0.003, "GradientClip": 1.0, "Optimizer": "adamw"}


def make(seed: int = 1) -> tuple[Network, NDArray[Any], NDArray[Any]]:
    """The trained network, its inputs (samples, tokens) and its outputs (samples, 2)."""
    inputs = np.random.default_rng(seed).integers(0, VOCABULARY, (SAMPLES, TOKENS)).astype(np.float32)
    network = build_network_from_json(CONFIG, seed=seed)
    probabilities = [(i + 1) / (SAMPLES + 1) for i in range(SAMPLES)]  # all different, so that a wrong order shows
    batches = [{"Input": x.tolist(), "Target": [p, 1 - p]} for x, p in zip(inputs, probabilities, strict=True)]
    network.train(batches, TRAINING)
    network.reset_optimizer()  # the original knows no such state
    return network, inputs, outputs_of(network, inputs)


def outputs_of(network: Network, inputs: NDArray[Any]) -> NDArray[Any]:
    """Each sample from a fresh state: recurrent layers and noise start again."""
    rows = []
    for x in inputs:
        network.reset_state()
        rows.append(network.forward(x)[0])
    return np.stack(rows)


def as_text(rows: NDArray[Any]) -> str:
    """A sample a line, numbers separated by spaces, in the shortest form that reads back to the same float32."""
    return "".join(" ".join(np.format_float_positional(v, trim="-") for v in row) + "\n" for row in rows)


def main() -> None:
    network, inputs, outputs = make()
    written = {
        "test.json": network.save_model_to_string(MODEL_ID),
        "inputs.txt": as_text(inputs),
        "outputs.txt": as_text(outputs),
    }
    for name, text in written.items():
        files.write_text(FOLDER / name, text)
        console.detail(f"{(FOLDER / name).relative_to(paths.REPOSITORY)}: {len(text)} bytes")


if __name__ == "__main__":
    sys.exit(console.run(main))
