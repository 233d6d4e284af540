"""Central differences in float64 against `backward`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from loom_py import Network, build_network_from_json

Array = NDArray[Any]
EPSILON = 1e-5


def relative_error(a: Array, b: Array, floor: float = 1e-3) -> float:
    """‖a − b‖ / (‖a‖ + ‖b‖), norms below `floor` counting as `floor`."""
    return float(np.linalg.norm(a - b)) / max(float(np.linalg.norm(a) + np.linalg.norm(b)), floor)


def numeric(f: Any, a: Array) -> Array:
    """df/da for scalar f, changing `a` in place and back."""
    gradient = np.zeros_like(a)
    flat, out = a.reshape(-1), gradient.reshape(-1)
    for i in range(flat.size):
        keep = flat[i]
        flat[i] = keep + EPSILON
        high = f()
        flat[i] = keep - EPSILON
        low = f()
        flat[i] = keep
        out[i] = (high - low) / (2 * EPSILON)
    return gradient


def check(config: dict[str, Any], batch: int = 2, seed: int = 0, in_size: int | None = None) -> dict[str, float]:
    """Relative error of the input gradient and of every parameter's, for a random linear functional of the output."""
    network = build_network_from_json(config, seed=seed).astype(np.float64)
    rng = np.random.default_rng(seed)
    for a in network.parameters.values():  # the default weights are too small to tell errors from rounding
        a[...] = rng.normal(0, 0.7, a.shape)
    return errors(network, rng.normal(0, 1, (batch, in_size or network.input_size or 6)), rng)


def errors(network: Network, x: Array, rng: np.random.Generator) -> dict[str, float]:
    weight = rng.normal(0, 1, network.forward(x).shape)

    def objective() -> float:
        y, _, _ = network.trace_forward(network.ops, network.params, x, training=network.training)
        return float((y * weight).sum())

    network.reset_state()
    network.forward(x)
    pairs = {"input": (network.backward(weight), numeric(objective, x))}
    for path, a in network.parameters.items():
        pairs[path] = (network.gradients[path], numeric(objective, a))
    # Some gradients vanish (a key bias without rotary positions); what remains is the rounding of the others.
    floor = 1e-3 * max(1.0, *(float(np.linalg.norm(b)) for _, b in pairs.values()))
    return {path: relative_error(a, b, floor) for path, (a, b) in pairs.items()}
