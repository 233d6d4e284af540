"""Dense → Conv2D → attention → RNN → LSTM → dense in one chain, 200 epochs, every layer trained."""

from __future__ import annotations

from typing import Any

from _shared import accuracy, reduction, report, two_halves

from loom_py import build_network_from_json

NETWORK = {
    "layers": [
        {"type": "dense", "input_size": 32, "output_size": 32, "activation": "leaky_relu"},
        {
            **{"type": "conv2d", "input_channels": 2, "input_height": 4, "input_width": 4, "filters": 4},
            **{"kernel_size": 3, "stride": 2, "padding": 1, "activation": "leaky_relu"},
        },
        {"type": "multi_head_attention", "d_model": 4, "num_heads": 2, "seq_length": 4},
        {"type": "rnn", "input_size": 4, "hidden_size": 8, "seq_length": 4},
        {"type": "lstm", "input_size": 8, "hidden_size": 8, "seq_length": 4},
        {"type": "dense", "output_size": 2, "activation": "sigmoid"},
    ]
}
TRAINING = {"Epochs": 200, "LearningRate": 0.005, "GradientClip": 1.0, "Optimizer": "AdamW"}


def main(seed: int = 0) -> dict[str, Any]:
    batches, classes = two_halves(50, 32, seed)
    network = build_network_from_json(NETWORK, seed=seed)
    result = network.train(batches, TRAINING)
    right = accuracy(network, [b["Input"] for b in batches], classes)
    return report("Six-layer stack, 200 epochs", loss_reduction_percent=reduction(result), accuracy=right)


if __name__ == "__main__":
    main()
