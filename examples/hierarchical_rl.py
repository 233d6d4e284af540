"""Reinforcement learning with a policy in three tiers, each in a layer of the grid: strategy, tactics and actions.

An agent at (x, y) sees a target and moves in one of four directions; the reward is how much nearer it came. The policy
learns by REINFORCE (Williams 1992) with the mean reward as baseline.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _shared import report
from numpy.typing import NDArray

from loom_py import Network, build_network_from_json

MOVES = np.array([[0, 1], [0, -1], [-1, 0], [1, 0]]) * 0.1
NETWORK = {
    "layers": [
        {"type": "dense", "input_size": 4, "output_size": 16, "activation": "tanh"},
        {
            "type": "parallel",
            "combine_mode": "grid_scatter",
            **{"grid_output_rows": 1, "grid_output_cols": 1, "grid_output_layers": 3},
            "grid_positions": [
                {"branch_index": depth, "target_row": 0, "target_col": 0, "target_layer": depth} for depth in range(3)
            ],
            "branches": [
                {"type": "dense", "output_size": 2, "activation": "tanh"},  # strategy: which way at all
                {"type": "rnn", "hidden_size": 4, "seq_length": 1},  # tactics
                {"type": "dense", "output_size": 8, "activation": "tanh"},  # actions
            ],
        },
        {"type": "dense", "output_size": 4, "activation": "linear"},
        {"type": "softmax"},
    ]
}


def worlds(count: int, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """Observations (count, 4), agent and target, and the reward of each move (count, 4)."""
    places = rng.uniform(-1, 1, (count, 2, 2))
    away = np.linalg.norm(places[:, None, 0] + MOVES - places[:, None, 1], axis=2)
    return places.reshape(count, 4), np.linalg.norm(places[:, 0] - places[:, 1], axis=1)[:, None] - away


def share_of_best(network: Network, rng: np.random.Generator) -> float:
    """How much of the reward of the best moves the likeliest ones get."""
    seen, rewards = worlds(500, rng)
    chosen = network.forward(seen).argmax(axis=1)
    return float(rewards[np.arange(500), chosen].sum() / rewards.max(axis=1).sum())


def main(seed: int = 0, updates: int = 400, batch: int = 64) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    network = build_network_from_json(NETWORK, seed=seed)
    before = share_of_best(network, rng)
    rows = np.arange(batch)
    for _ in range(updates):
        seen, rewards = worlds(batch, rng)
        p = network.forward(seen)
        taken = (p.cumsum(axis=1) < rng.random((batch, 1)) * p.sum(axis=1, keepdims=True)).sum(axis=1).clip(0, 3)
        advantage = rewards[rows, taken] - rewards[rows, taken].mean()
        gradient = np.zeros((batch, 4), np.float32)
        gradient[rows, taken] = -advantage / p[rows, taken] / batch * 10
        network.backward(gradient)
        network.apply_gradients_adamw(0.01, 0.9, 0.999, 0.0)
    return report(
        "Hierarchical reinforcement learning, 400 updates",
        share_of_best_reward_before=before,
        share_of_best_reward=share_of_best(network, rng),
    )


if __name__ == "__main__":
    main()
