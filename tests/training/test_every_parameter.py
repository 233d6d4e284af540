"""Every trainable number of every layer kind moves under `train` and under each optimiser."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loom_py import Network, build_network_from_json, load_model_from_string
from loom_py.training.step import flat

from ..nn import examples
from ..report import row

OPTIMISERS: dict[str, Any] = {
    "SGD": None,
    "SGD (momentum)": {"Type": "sgd", "Momentum": 0.9},
    "SGD (Nesterov momentum)": {"Type": "sgd", "Momentum": 0.9, "Nesterov": True},
    "AdamW": {"Type": "adamw", "WeightDecay": 0},  # decay would move a weight whose gradient is missing
    "RMSprop": {"Type": "rmsprop"},
    "RMSprop (momentum)": {"Type": "rmsprop", "Momentum": 0.9},
}


def data(name: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    x = rng.integers(0, examples.TOKENS, (6, examples.IN_SIZE)) if name == "embedding" else rng.normal(size=(6, 12))
    return x, rng.uniform(0, 1, (6, 2))


def build(name: str) -> Network:
    """In float64, so that no change is lost to rounding; relu's dead half and zero biases are kept away."""
    network = build_network_from_json(examples.network_config(name), seed=2).astype(np.float64)
    for path, a in network.parameters.items():
        a[...] = np.random.default_rng(len(path)).normal(0, 0.6, a.shape) + (2.0 if a.ndim == 1 else 0.0)
    return network


def test_every_kind_has_an_example() -> None:
    assert examples.missing_kinds() == set()


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("name", examples.EXAMPLES)
def test_every_number_moves(name: str, optimiser: str) -> None:
    network = build(name)
    before = {path: a.copy() for path, a in network.parameters.items()}
    x, t = data(name)
    network.train([{"Input": x, "Target": t}], {"Epochs": 3, "LearningRate": 0.01, "Optimizer": OPTIMISERS[optimiser]})
    assert network.training_state.optimiser.name == optimiser
    still = {path: int((a == before[path]).sum()) for path, a in network.parameters.items()}
    if optimiser == "SGD":
        row("numbers moved by training", f"{name:<24}{sum(a.size for a in before.values())}")
    assert sum(still.values()) == 0, still


@pytest.mark.parametrize("name", examples.EXAMPLES)
def test_training_reduces_the_loss_and_reloads(name: str) -> None:
    """From the ordinary initial weights, in float32; the saved network gives the same bits and trains on."""
    network = build_network_from_json(examples.network_config(name), seed=2)
    x, t = data(name)
    batches, config = [{"Input": x, "Target": t}], {"Epochs": 60, "LearningRate": 0.02, "Optimizer": "adamw"}
    result = network.train(batches, config)
    assert result.final_loss < 0.7 * result.loss_history[0]
    again = load_model_from_string(network.save_model_to_string("m"), "m")
    assert network.train(batches, config).loss_history == again.train(batches, config).loss_history
    for path, a in network.parameters.items():
        assert a.tobytes() == again.parameters[path].tobytes()


@pytest.mark.parametrize("name", examples.EXAMPLES)
def test_optimiser_state_follows_the_order_of_the_parameters(name: str) -> None:
    network = build(name)
    assert [id(a) for a in flat(network.params)] == [id(a) for a in network.parameters.values()]
