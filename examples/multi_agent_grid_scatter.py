"""Four agents of four kinds (LSTM, attention, RNN, dense) in the corners of a 2 × 2 grid, and a coordinator."""

from __future__ import annotations

from typing import Any

from _shared import accuracy, reduction, report, two_halves

from loom_py import build_network_from_json

POSITIONS = [(0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 1, 1)]
NETWORK = {
    "layers": [
        {"type": "dense", "input_size": 16, "output_size": 16, "activation": "tanh"},
        {
            "type": "parallel",
            "combine_mode": "grid_scatter",
            "grid_output_rows": 2,
            "grid_output_cols": 2,
            "grid_output_layers": 1,
            "grid_positions": [
                {"branch_index": b, "target_row": r, "target_col": c, "target_layer": 0} for b, r, c in POSITIONS
            ],
            "branches": [
                {"type": "lstm", "hidden_size": 10},
                {"type": "mha", "num_heads": 4},
                {"type": "rnn", "hidden_size": 10},
                {"type": "dense", "output_size": 10, "activation": "gelu"},
            ],
        },
        {"type": "dense", "output_size": 12, "activation": "leaky_relu"},
        {"type": "dense", "output_size": 2, "activation": "sigmoid"},
    ]
}


def main(seed: int = 0) -> dict[str, Any]:
    batches, classes = two_halves(40, 16, seed)
    network = build_network_from_json(NETWORK, seed=seed)
    result = network.train(batches, {"Epochs": 200, "LearningRate": 0.1, "GradientClip": 1.0})
    plan = network.get_blueprint()["layers"][1]
    return report(
        "Multi-agent grid scatter, 200 epochs",
        agents=[branch["type"] for branch in plan["branches"]],
        loss_reduction_percent=reduction(result),
        accuracy=accuracy(network, [b["Input"] for b in batches], classes),
    )


if __name__ == "__main__":
    main()
