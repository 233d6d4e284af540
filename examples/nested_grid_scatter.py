"""Grid scatter within grid scatter: a cell of the outer grid is itself a grid of two agents."""

from __future__ import annotations

from typing import Any

import numpy as np
from _shared import reduction, report

from loom_py import build_network_from_json


def scatter(*branches: dict[str, Any]) -> dict[str, Any]:
    """Branches in one column, the last one on top: the positions decide, not the order of the branches."""
    last = len(branches) - 1
    return {
        "type": "parallel",
        "combine_mode": "grid_scatter",
        **{"grid_output_rows": len(branches), "grid_output_cols": 1, "grid_output_layers": 1},
        "grid_positions": [
            {"branch_index": i, "target_row": last - i, "target_col": 0, "target_layer": 0}
            for i in range(len(branches))
        ],
        "branches": list(branches),
    }


LSTM = {"type": "lstm", "hidden_size": 3, "seq_length": 1}
RNN = {"type": "rnn", "hidden_size": 2, "seq_length": 1}
DENSE = {"type": "dense", "output_size": 4, "activation": "gelu"}
NETWORK = {
    "input_size": 4,
    "layers": [scatter(DENSE, scatter(LSTM, RNN)), {"type": "dense", "output_size": 2, "activation": "sigmoid"}],
}


def main(seed: int = 0) -> dict[str, Any]:
    network = build_network_from_json(NETWORK, seed=seed)
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (16, 4)).astype(np.float32)

    # the same agents on their own: the inner grid comes first, and in it the RNN
    inner, parts = "layers.0.branches.1.branches", []
    for prefix, layer in ((f"{inner}.1", RNN), (f"{inner}.0", LSTM), ("layers.0.branches.0", DENSE)):
        agent = build_network_from_json({"input_size": 4, "layers": [layer]}, seed=0)
        for name, value in agent.parameters.items():
            value[...] = network.parameters[name.replace("layers.0", prefix, 1)]
        parts.append(agent.forward(x))
    network.forward(x)
    difference = float(np.abs(np.reshape(network.activations()[1], (16, -1)) - np.concatenate(parts, axis=1)).max())

    targets = np.stack([x[:, 0] > x[:, 1], x[:, 2] > x[:, 3]], axis=1).astype(np.float32)
    before = {name: value.copy() for name, value in network.parameters.items()}
    result = network.train(
        [{"Input": x, "Target": targets}], {"Epochs": 500, "LearningRate": 0.02, "Optimizer": "adamw"}
    )
    still = [name for name, value in network.parameters.items() if np.array_equal(value, before[name])]
    return report(
        "Nested grid scatter, 500 epochs",
        difference_to_separate_agents=difference,
        loss_reduction_percent=reduction(result),
        parameters_that_did_not_move=len(still),
    )


if __name__ == "__main__":
    main()
