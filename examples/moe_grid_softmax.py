"""Grid softmax as several independent softmaxes: outputs and gradients equal those of separate experts, and it trains.

Nothing routes between the rows; `mixture_of_experts.py` has a gate that does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _shared import relative, report

from loom_py import Network, build_network_from_json

INPUTS = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
NETWORK = {
    "layers": [
        {"type": "dense", "input_size": 4, "output_size": 9, "activation": "leaky_relu"},
        {"type": "softmax", "softmax_variant": "grid", "softmax_rows": 3, "softmax_cols": 3},
        {"type": "dense", "output_size": 3, "activation": "leaky_relu"},
        {"type": "softmax"},
    ]
}


def separate_experts(seed: int) -> tuple[float, float]:
    """Largest difference of outputs and of gradients between one grid softmax and three separate softmaxes."""
    rng = np.random.default_rng(seed)
    grid = build_network_from_json({"layers": [NETWORK["layers"][1]], "input_size": 9})
    single = build_network_from_json({"layers": [{"type": "softmax"}], "input_size": 3})
    outputs, gradients = 0.0, 0.0
    for _ in range(100):
        x, g = rng.uniform(-2, 2, (1, 9)).astype(np.float32), rng.normal(size=(1, 9)).astype(np.float32)
        together = grid.forward(x), grid.backward(g)
        rows = [(single.forward(a), single.backward(b)) for a, b in zip(x.reshape(3, 3), g.reshape(3, 3), strict=True)]
        outputs = max(outputs, relative(together[0].reshape(3, 3), np.concatenate([y for y, _ in rows])))
        gradients = max(gradients, relative(together[1].reshape(3, 3), np.concatenate([d for _, d in rows])))
    return outputs, gradients


def finite_differences(network: Network, x: list[float], target: int, step: float = 1e-5) -> float:
    """Largest difference between the gradient of −ln p(target) and its central differences, over all parameters."""
    exact = network.astype("float64")
    exact.backward(-np.eye(3)[target] / exact.forward(x))
    gradients = {name: g.copy() for name, g in exact.gradients.items()}
    worst = 0.0
    for name, values in exact.parameters.items():
        for i in np.ndindex(values.shape):
            kept, losses = values[i], []
            for values[i] in (kept + step, kept - step):
                losses.append(-np.log(exact.forward(x)[0, target]))
            values[i] = kept
            worst = max(worst, abs((losses[0] - losses[1]) / (2 * step) - gradients[name][i]))
    return worst


def main(seed: int = 0) -> dict[str, Any]:
    network = build_network_from_json(NETWORK, seed=seed)
    differences = max(finite_differences(network, x, i) for i, x in enumerate(INPUTS))
    rng = np.random.default_rng(seed)
    for name in ("layers.0.kernel", "layers.2.kernel"):
        kernel = network.parameters[name]
        kernel[...] = rng.normal(0, np.sqrt(2 / len(kernel)), kernel.shape)  # He et al. 2015
    batches = [{"Input": x, "Target": np.eye(3)[i]} for i, x in enumerate(INPUTS)]
    training = {"Epochs": 2000, "LearningRate": 0.1, "LossType": "cross_entropy", "Shuffle": True, "Seed": seed}
    result = network.train(batches, training)
    outputs, gradients = separate_experts(seed)
    right = sum(int(np.argmax(network.forward(x))) == i for i, x in enumerate(INPUTS))
    return report(
        "Mixture by grid softmax, 2000 epochs",
        loss=f"{result.loss_history[0]:.4f} → {result.final_loss:.4f}",
        loss_reduction_percent=100 * (1 - result.final_loss / result.loss_history[0]),
        correct=f"{right} of 3",
        output_difference_to_separate_experts=outputs,
        gradient_difference_to_separate_experts=gradients,
        gradient_difference_to_finite_differences=differences,
    )


if __name__ == "__main__":
    main()
