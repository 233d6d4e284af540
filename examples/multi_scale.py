"""One signal at two resolutions: a fine and a coarse convolution, each in a layer of the grid's depth.

Sixteen values hold a slow ramp (up or down) and a fast ripple (there or not); the four combinations are the classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _shared import accuracy, reduction, report
from numpy.typing import NDArray

from loom_py import build_network_from_json

CONV = {"type": "conv1d", "input_channels": 1, "input_length": 16, "activation": "tanh"}
NETWORK = {
    "layers": [
        {
            "type": "parallel",
            "combine_mode": "grid_scatter",
            **{"grid_output_rows": 1, "grid_output_cols": 1, "grid_output_layers": 2},
            "grid_positions": [
                {"branch_index": depth, "target_row": 0, "target_col": 0, "target_layer": depth} for depth in range(2)
            ],
            "branches": [
                {**CONV, "filters": 2, "kernel_size": 3, "stride": 1, "padding": 1},  # fine: 2 × 16 values
                {**CONV, "filters": 2, "kernel_size": 8, "stride": 4, "padding": 0},  # coarse: 2 × 3 values
            ],
        },
        {"type": "dense", "output_size": 8, "activation": "tanh"},
        {"type": "dense", "output_size": 4, "activation": "linear"},
        {"type": "softmax"},
    ]
}


def signals(count: int, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """Signals (count, 16) and their classes: bit 0 is the ramp's direction, bit 1 whether there is a ripple."""
    classes = rng.integers(0, 4, count)
    ramp = np.where(classes & 1, 1, -1)[:, None] * np.linspace(-1, 1, 16)
    ripple = (classes >> 1)[:, None] * 0.5 * (-1.0) ** np.arange(16)
    return ramp + ripple + rng.normal(0, 0.1, (count, 16)), classes


def main(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    x, classes = signals(128, rng)
    network = build_network_from_json(NETWORK, seed=seed)
    options = {"Epochs": 200, "LearningRate": 0.02, "Optimizer": "adamw", "LossType": "cross_entropy"}
    result = network.train([{"Input": x, "Target": np.eye(4)[classes]}], options)
    fresh, wanted = signals(200, rng)
    return report(
        "Two scales, 200 epochs",
        outputs_by_scale=[layer.out_size for layer in network.layers[0].branches],  # type: ignore[attr-defined]
        loss_reduction_percent=reduction(result),
        accuracy_on_fresh_signals=accuracy(network, list(fresh), wanted.tolist()),
    )


if __name__ == "__main__":
    main()
