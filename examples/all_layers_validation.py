"""Six kinds of layers and all ten softmax variants, one after another: train, save, reload, verify, train on.

Writes test.json (the model), inputs.txt and outputs.txt (a sample a line) into a folder, by default the current one.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from _shared import accuracy, reduction, report, two_halves
from numpy.typing import NDArray

from loom_py import build_network_from_json, load_model


def softmax(variant: str, temperature: float = 1.0, **options: Any) -> dict[str, Any]:
    """A softmax over 16 values. Those after the first see probabilities, so they need low temperatures."""
    return {"type": "softmax", "softmax_variant": variant, "temperature": temperature, **options}


NETWORK = {
    "layers": [
        {"type": "dense", "input_size": 32, "output_size": 32, "activation": "leaky_relu"},
        {
            **{"type": "conv2d", "input_channels": 2, "input_height": 4, "input_width": 4, "filters": 4},
            **{"kernel_size": 3, "stride": 2, "padding": 1, "activation": "leaky_relu"},
        },
        {"type": "multi_head_attention", "d_model": 4, "num_heads": 2, "seq_length": 4},
        {"type": "rnn", "input_size": 4, "hidden_size": 4, "seq_length": 4},
        {"type": "lstm", "input_size": 4, "hidden_size": 4, "seq_length": 4},
        {"type": "layer_norm", "norm_size": 16},
        softmax("standard"),
        softmax("temperature", 0.12),
        softmax("grid", 0.25, softmax_rows=4, softmax_cols=4),
        softmax("hierarchical", 0.3, hierarchy_levels=[4, 4]),
        softmax("gumbel", 0.12, gumbel_noise=False),  # with noise no two passes would agree
        softmax("masked", 0.12, mask=[True] * 15 + [False]),
        softmax("sparse"),
        softmax("entmax", 0.3, entmax_alpha=1.5),
        softmax("adaptive", 0.12, adaptive_clusters=[[0, 1, 2, 3], [4, 5, 6, 7]]),
        softmax("mixture", 0.005, mixture_weights=[0.93, *[0.01] * 7]),  # 16 values → 2: eight softmaxes over two
    ]
}
TRAINING = {"Epochs": 150, "LearningRate": 0.01, "GradientClip": 1.0, "Optimizer": "AdamW"}


def as_text(rows: NDArray[Any]) -> str:
    """A sample a line, in the shortest decimals that read back to the same float32."""
    return "".join(" ".join(np.format_float_positional(v, trim="-") for v in row) + "\n" for row in rows)


def read(path: Path) -> NDArray[Any]:
    return np.loadtxt(path, dtype=np.float32, ndmin=2)


def main(seed: int = 0, folder: str | Path = ".") -> dict[str, Any]:
    batches, classes = two_halves(50, 32, seed)
    inputs = np.array([b["Input"] for b in batches], np.float32)
    together = [{"Input": inputs, "Target": [b["Target"] for b in batches]}]
    network = build_network_from_json(NETWORK, seed=seed)
    before = {path: a.copy() for path, a in network.parameters.items()}
    result = network.train(together, TRAINING)
    still = [path for path, a in network.parameters.items() if np.array_equal(a, before[path])]

    place = Path(folder)
    network.save_model(str(place / "test.json"), "all_layers")
    (place / "inputs.txt").write_text(as_text(inputs), encoding="utf-8")
    (place / "outputs.txt").write_text(as_text(network.forward(inputs)), encoding="utf-8")

    loaded = load_model(place / "test.json", "all_layers")
    difference = float(np.abs(loaded.forward(read(place / "inputs.txt")) - read(place / "outputs.txt")).max())
    again = loaded.train(together, {**TRAINING, "Epochs": 3})
    return report(
        "All layers, 150 epochs",
        layers=len(network.layers),
        loss_reduction_percent=reduction(result),
        accuracy=accuracy(network, list(inputs), classes),
        reload_difference=difference,
        parameters_that_did_not_move=len(still),
        loss_after_training_on=again.final_loss,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default=".")
    main(folder=parser.parse_args().folder)
