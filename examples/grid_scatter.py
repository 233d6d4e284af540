"""Three heterogeneous agents in one layer learn to classify together; ten seeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from _shared import accuracy, report

from loom_py import build_network_from_json, load_model_from_string

DEMO = json.loads((Path(__file__).parent / "grid_scatter.json").read_text())


def main(seeds: int = 10) -> dict[str, Any]:
    inputs, expected = DEMO["evaluation"]["inputs"], DEMO["evaluation"]["expected"]
    losses, right, scores, differences = [], [], [], []
    for seed in range(seeds):
        network = build_network_from_json(DEMO["network"], seed=seed)
        result = network.train(DEMO["batches"], DEMO["training"])
        reloaded = load_model_from_string(network.save_model_to_string("m"), "m")
        losses.append(result.final_loss)
        right.append(accuracy(network, inputs, expected) == 1.0)
        scores.append(network.evaluate_network(inputs, expected).score)
        differences += [float(np.abs(network.forward(x) - reloaded.forward(x)).max()) for x in inputs]
        print(f"  seed {seed}: loss {result.loss_history[0]:.6f} → {result.final_loss:.6f}")
    return report(
        "Grid scatter, 800 epochs",
        worst_final_loss=max(losses),
        seeds_with_4_of_4=f"{sum(right)} of {seeds}",
        worst_score=min(scores),
        reload_difference=max(differences),
    )


if __name__ == "__main__":
    main()
