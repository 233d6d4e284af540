"""Eleven layers of eleven kinds: train, save, reload, train on."""

from __future__ import annotations

from typing import Any

import numpy as np
from _shared import accuracy, reduction, report, two_halves

from loom_py import build_network_from_json, load_model_from_string

NETWORK = {
    "layers": [
        {"type": "dense", "input_size": 32, "output_size": 32, "activation": "leaky_relu"},
        {"type": "rms_norm", "norm_size": 32, "epsilon": 1e-6},
        {
            **{"type": "conv2d", "input_channels": 2, "input_height": 4, "input_width": 4, "filters": 4},
            **{"kernel_size": 3, "stride": 2, "padding": 1, "activation": "leaky_relu"},
        },
        {"type": "multi_head_attention", "d_model": 4, "num_heads": 2, "seq_length": 4},
        {"type": "dense", "output_size": 16, "activation": "sigmoid"},
        {"type": "rnn", "input_size": 4, "hidden_size": 4, "seq_length": 4},
        {"type": "lstm", "input_size": 4, "hidden_size": 4, "seq_length": 4},
        {"type": "swiglu", "input_size": 16, "output_size": 24},
        {"type": "layer_norm", "norm_size": 16},
        {"type": "dense", "output_size": 2, "activation": "sigmoid"},
        {"type": "softmax"},
    ]
}
TRAINING = {"Epochs": 200, "LearningRate": 0.01, "GradientClip": 1.0, "Optimizer": "AdamW"}


def main(seed: int = 0) -> dict[str, Any]:
    batches, classes = two_halves(50, 32, seed)
    inputs = [b["Input"] for b in batches]
    network = build_network_from_json(NETWORK, seed=seed)
    before = {path: a.copy() for path, a in network.parameters.items()}
    result = network.train(batches, TRAINING)
    still = [path for path, a in network.parameters.items() if np.array_equal(a, before[path])]
    reloaded = load_model_from_string(network.save_model_to_string("all"), "all")
    difference = max(float(np.abs(network.forward(x) - reloaded.forward(x)).max()) for x in inputs)
    again = reloaded.train(batches, {**TRAINING, "Epochs": 5})
    return report(
        "All layers, 200 epochs",
        loss_reduction_percent=reduction(result),
        accuracy=accuracy(network, inputs, classes),
        reload_difference=difference,
        parameters_that_did_not_move=len(still),
        loss_after_training_on=again.final_loss,
    )


if __name__ == "__main__":
    main()
