"""Dense layers alone on the two-halves task, 50 epochs."""

from __future__ import annotations

from typing import Any

from _shared import accuracy, reduction, report, two_halves

from loom_py import build_network_from_json

NETWORK = {
    "layers": [
        {"type": "dense", "input_size": 32, "output_size": 32, "activation": "leaky_relu"},
        {"type": "dense", "output_size": 16, "activation": "leaky_relu"},
        {"type": "dense", "output_size": 2, "activation": "sigmoid"},
    ]
}


def main(seed: int = 0) -> dict[str, Any]:
    batches, classes = two_halves(50, 32, seed)
    network = build_network_from_json(NETWORK, seed=seed)
    result = network.train(batches, {"Epochs": 50, "LearningRate": 0.2, "GradientClip": 1.0})
    right = accuracy(network, [b["Input"] for b in batches], classes)
    return report("Dense baseline, 50 epochs", loss_reduction_percent=reduction(result), accuracy=right)


if __name__ == "__main__":
    main()
