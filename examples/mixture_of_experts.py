"""A real mixture of experts (Jacobs et al. 1991): experts that each fit one regime, and a gate that learns which.

The target is sin on the left and a straight line on the right; the gate has to split the axis by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _shared import reduction, report

from loom_py import build_network_from_json

EXPERT = {
    "type": "sequential",
    "layers": [
        {"type": "dense", "output_size": 8, "activation": "tanh"},
        {"type": "dense", "output_size": 1, "activation": "linear"},
    ],
}
GATE = {
    "type": "sequential",
    "layers": [
        {"type": "dense", "output_size": 8, "activation": "tanh"},
        {"type": "dense", "output_size": 2, "activation": "linear"},
    ],
}
NETWORK = {
    "input_size": 1,
    "layers": [{"type": "parallel", "combine_mode": "filter", "branches": [EXPERT, EXPERT], "filter_gate": GATE}],
}


def main(seed: int = 0) -> dict[str, Any]:
    x = np.linspace(-1, 1, 128, dtype=np.float32)[:, None]
    target = np.where(x < 0, np.sin(9 * x), 1 - 2 * x)
    network = build_network_from_json(NETWORK, seed=seed)
    gate_before = {path: a.copy() for path, a in network.parameters.items() if ".gate." in path}
    training = {"Epochs": 4000, "LearningRate": 0.02, "Optimizer": "AdamW", "GradientClip": 1.0}
    result = network.train([{"Input": x, "Target": target}], training)
    moved = all(not np.array_equal(a, network.parameters[path]) for path, a in gate_before.items())
    gate = next(child for child in network.layers[0].children() if child.key == "gate")
    logits, _ = gate.layer.forward(network.ops, gate.part(network.params[0]), x, {}, training=False)
    chosen = logits.argmax(axis=1)
    left, right = (np.bincount(chosen[side], minlength=2) / side.sum() for side in ((x < 0)[:, 0], (x >= 0)[:, 0]))
    return report(
        "Mixture of experts with a trained gate, 4000 epochs",
        loss_reduction_percent=reduction(result),
        every_gate_parameter_moved=moved,
        share_of_experts_on_the_left=left.round(2).tolist(),
        share_of_experts_on_the_right=right.round(2).tolist(),
    )


if __name__ == "__main__":
    main()
