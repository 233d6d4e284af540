"""Random architectures trained on one task, the two that complement each other best, and both as one network.

Two rings of points, one inside the other, in noise. The masks of what each network gets right on new points give the
complementary pairs, k-means groups networks that make the same mistakes, and the best pair is grafted into one network
whose output is the mean of the two. It beats its members by far, though not always the best single network.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _shared import report
from numpy.typing import NDArray

from loom_py import Network, build_network_from_json
from loom_py.analysis import (
    ArchOptions,
    complementary_matches,
    diverse_network_config,
    ensemble_report,
    generate_configs,
    graft_networks,
    kmeans,
    mask_to_floats,
)

OPTIONS = ArchOptions(d_models=(16,), num_heads=(4,), grid_shapes={"2x2 Standard": (2, 2), "4x1 Tall": (4, 1)})


def rings(n: int, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """n points (n, 2) and their rings (n,)."""
    rng = np.random.default_rng(seed)
    ring = rng.integers(0, 2, n)
    angle = rng.uniform(0, 2 * np.pi, n)
    points = (0.5 + 0.5 * ring)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (points + 0.15 * rng.normal(size=(n, 2))).astype(np.float32), ring


def right(network: Network, x: NDArray[Any], ring: NDArray[Any]) -> NDArray[Any]:
    """Which points a network assigns to their ring."""
    return network.forward(x).argmax(axis=1) == ring


def main(seed: int = 0, count: int = 8) -> dict[str, Any]:
    x, ring = rings(64, seed)
    new, new_ring = rings(500, seed + 1)
    batch = {"Input": x.tolist(), "Target": np.eye(2)[ring].tolist()}
    networks: dict[str, Network] = {}
    for config in generate_configs(count, OPTIONS, seed=seed):
        layers = diverse_network_config(config, 2)
        network = networks[config.name] = build_network_from_json(layers, seed=seed + config.id)
        network.train([batch], {"Epochs": 150, "LearningRate": 0.01, "Optimizer": "adamw"})
    masks = {name: right(network, new, new_ring) for name, network in networks.items()}
    scores = {name: float(mask.mean()) for name, mask in masks.items()}
    best = complementary_matches(masks)
    print(ensemble_report(best, 3))
    groups = kmeans([mask_to_floats(mask) for mask in masks.values()], 3, seed=seed).assignments
    pair = networks[best[0].model_a], networks[best[0].model_b]
    both = graft_networks(pair, "avg", position=None).network()
    return report(
        "Ensemble of random architectures",
        best_single=max(scores.values()),
        mean_single=float(np.mean(list(scores.values()))),
        mean_of_the_pair=(scores[best[0].model_a] + scores[best[0].model_b]) / 2,
        pair_coverage=best[0].coverage,
        grafted_pair=float(right(both, new, new_ring).mean()),
        groups=len(set(groups.tolist())),
    )


if __name__ == "__main__":
    main()
