"""Products beyond float32 before an activation that saturates, and small temperatures: one rule on every device.

IEEE arithmetic decides: an infinite product has its sign and the limit of the activation. Where products beyond float32
have both signs, their sum is infinite or no number, by the order in which a device adds; what is no number stays so
through every activation (`tests/runtime/test_edges.py`), so that training says it.

Found by attack; PyTorch and NumPy have the same rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loom_py import Network

from . import test_numbers
from .test_numbers import net, one, pair

opened, device = test_numbers.opened, test_numbers.device  # fixtures


def train(network: Network, batches: list[dict[str, Any]], rate: float = 0.1) -> float:
    """One epoch → the loss before its update."""
    return network.train(batches, {"Epochs": 1, "LearningRate": rate}).final_loss


LIMITS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_product_beyond_float32_has_the_activations_limit(device: str, activation: str, sign: float) -> None:
    """As in IEEE arithmetic: the product is infinite, its sign is right, and so is the activation's limit."""
    network = one(sign * 1e30, activation)
    low, high = LIMITS[activation]
    right = high if sign > 0 else low
    assert train(network, pair([1e30], [right])) == 0
    loss = train(network, pair([1e30], [0.25]))
    assert loss == pytest.approx((right - 0.25) ** 2)  # the gradient is 0, as it is at 100
    assert network.parameters["layers.0.kernel"].item() == np.float32(sign * 1e30)


@pytest.mark.parametrize("temperature", [1e-6, 1e-20, 1e-30, 1e-37])
@pytest.mark.parametrize("logits", [[0.0, 0.0], [1.0, 2.0], [0.0, 1e-25], [3.0, 3.0]])
def test_small_temperatures_are_the_same_on_every_device(device: str, temperature: float, logits: list[float]) -> None:
    """Loss and weights after an update, against float64 of the same formula: p = softmax((x − max) / T)."""
    layers = [
        {"type": "dense", "input_size": 1, "output_size": 2, "activation": "linear"},
        {"type": "softmax", "temperature": temperature},
    ]
    network = net(*layers, kernel=[0, 0], bias=logits)
    x = np.asarray(logits, np.float32).astype(float)
    z = np.maximum((x - x.max()) / float(np.float32(temperature)), -700)
    p = np.exp(z) / np.exp(z).sum()
    loss = train(network, pair([0.0], [0.5, 0.25]), 1e-30)
    assert loss == pytest.approx(((p - [0.5, 0.25]) ** 2).mean(), rel=1e-5)
