"""Every loss against its formula and against central differences in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from loom_py import build_network_from_json
from loom_py.errors import ConfigError, InputError
from loom_py.runtime import numpy_ops
from loom_py.training.losses import LOSSES, TARGETS, Loss

from ..nn import gradients, strategies
from ..nn.test_gradients import LIMIT, TABLE
from ..report import row

Array = NDArray[np.float64]


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def huber(e: Array, delta: float) -> Array:
    return np.where(np.abs(e) <= delta, e * e / 2, delta * (np.abs(e) - delta / 2))


FORMULAS: dict[str, Callable[[Array, Array, float], Any]] = {
    "mse": lambda y, t, d: np.mean((y - t) ** 2),
    "mae": lambda y, t, d: np.mean(np.abs(y - t)),
    "huber": lambda y, t, d: np.mean(huber(y - t, d)),
    "cross_entropy": lambda y, t, d: -np.sum(t * np.log(y)) / y.size,
    "cross_entropy_logits": lambda y, t, d: -np.sum(t * np.log(softmax(y))) / y.size,
    "bce": lambda y, t, d: -np.mean(t * np.log(y) + (1 - t) * np.log(1 - y)),
    "bce_logits": lambda y, t, d: -np.mean(t * np.log(sigmoid(y)) + (1 - t) * np.log(1 - sigmoid(y))),
}


def example(name: str, seed: int = 0) -> tuple[Array, Array]:
    """Outputs and targets that make sense for a loss; none near a kink of mae or huber."""
    rng = np.random.default_rng(seed)
    y, t = rng.normal(0, 2, (3, 4)), rng.normal(0, 2, (3, 4))
    if TARGETS[name][0] == 0:
        t = rng.uniform(0, 1, (3, 4))
    if name in ("cross_entropy", "bce"):
        y = rng.uniform(0.05, 0.95, (3, 4))
    return y, t


def test_every_loss_has_a_formula_here() -> None:
    assert set(FORMULAS) == set(LOSSES)


@pytest.mark.parametrize("delta", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradient(name: str, delta: float) -> None:
    loss = Loss(name, delta)
    worst = 0.0
    for seed in range(5):
        y, t = example(name, seed)
        assert float(loss.value(numpy_ops, y, t)) == pytest.approx(FORMULAS[name](y, t, delta), rel=1e-12)
        numeric = gradients.numeric(lambda y=y, t=t: float(loss.value(numpy_ops, y, t)), y)
        worst = max(worst, gradients.relative_error(loss.gradient(numpy_ops, y, t), numeric))
    if delta == 1.0:
        row(TABLE, f"{f'loss {name}':<36}{worst:.1e}")
    assert worst < LIMIT


@pytest.mark.parametrize("name", LOSSES)
def test_through_a_network(name: str) -> None:
    """The gradient of the loss itself with respect to every parameter and the input."""
    last = "sigmoid" if name in ("cross_entropy", "bce") else "linear"
    config = {"layers": [{"type": "dense", "input_size": 3, "output_size": 4, "activation": last}]}
    network = build_network_from_json(config, seed=1).astype(np.float64)
    rng = np.random.default_rng(0)
    x, loss = rng.normal(size=(3, 3)), Loss(name)
    _, t = example(name)
    gx = network.backward(loss.gradient(numpy_ops, network.forward(x), t))

    def objective() -> float:
        return float(loss.value(numpy_ops, network.trace_forward(numpy_ops, network.params, x)[0], t))

    errors = {"input": gradients.relative_error(gx, gradients.numeric(objective, x))}
    for path, a in network.parameters.items():
        errors[path] = gradients.relative_error(network.gradients[path], gradients.numeric(objective, a))
    assert max(errors.values()) < LIMIT, errors


@pytest.mark.parametrize(
    ("logits", "probabilities", "function"),
    [("cross_entropy_logits", "cross_entropy", softmax), ("bce_logits", "bce", sigmoid)],
)
def test_logits_agree_with_probabilities(logits: str, probabilities: str, function: Callable[[Array], Array]) -> None:
    z, t = example(logits)
    assert Loss(logits).value(numpy_ops, z, t) == pytest.approx(Loss(probabilities).value(numpy_ops, function(z), t))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.network(), st.sampled_from(LOSSES), st.integers(0, 1000))
def test_in_random_networks(config: tuple[dict[str, Any], int], name: str, seed: int) -> None:
    """dloss/dx and dloss/dw through random nested networks."""
    last = "sigmoid" if name in ("cross_entropy", "bce") else "linear"
    squash = {"type": "dense", "output_size": 3, "activation": "tanh"}  # keeps probabilities off their clamp
    layers = [*config[0]["layers"], squash, {"type": "dense", "output_size": 3, "activation": last}]
    network = build_network_from_json({**config[0], "layers": layers}, seed=seed).astype(np.float64)
    rng = np.random.default_rng(seed)
    for a in network.parameters.values():
        a[...] = rng.normal(0, 0.5, a.shape)
    x, loss = rng.normal(size=(2, config[1])), Loss(name, 0.3)
    y = network.trace_forward(numpy_ops, network.params, x)[0]
    # errors on both sides of Huber's δ, none near a kink
    t = y + rng.choice([-1, 1], y.shape) * np.where(rng.random(y.shape) < 0.5, 0.1, 0.9)
    if TARGETS[name][0] == 0:
        t = rng.uniform(0, 1, y.shape)

    def objective() -> float:
        return float(loss.value(numpy_ops, network.trace_forward(numpy_ops, network.params, x)[0], t))

    gx = network.backward(loss.gradient(numpy_ops, network.forward(x), t))
    pairs = {"input": (gx, gradients.numeric(objective, x))}
    pairs |= {
        path: (network.gradients[path], gradients.numeric(objective, a)) for path, a in network.parameters.items()
    }
    floor = 1e-3 * max(1.0, *(float(np.linalg.norm(b)) for _, b in pairs.values()))
    errors = {path: gradients.relative_error(a, b, floor) for path, (a, b) in pairs.items()}
    assert max(errors.values()) < LIMIT, errors


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_saturated_outputs_stay_finite_and_learn(name: str, dtype: Any) -> None:
    wild = [1e4, -1e4, 0.0, 50.0] if name.endswith("logits") else [0.0, 1.0, 0.0, 1.0]
    y, t = np.array([wild], dtype), np.array([[1.0, 0.0, 1.0, 0.0]], dtype)
    g = Loss(name).gradient(numpy_ops, y, t)
    assert np.isfinite(Loss(name).value(numpy_ops, y, t))
    assert np.isfinite(g).all()
    assert g.dtype == dtype
    assert g[0, 2] < 0  # wrong and, for probabilities, saturated: still pushed up


def test_cross_entropy_is_the_original_s() -> None:
    y, t = np.array([0.7, 0.0, 0.3], np.float32), np.array([1.0, 0.5, 0.0], np.float32)
    loss = Loss("cross_entropy")
    assert loss.value(numpy_ops, y, t) == pytest.approx(-(np.log(0.7) + 0.5 * np.log(1e-7)) / 3, rel=1e-5)
    np.testing.assert_allclose(loss.gradient(numpy_ops, y, t), [-1 / 0.7 / 3, -0.5 / 1e-7 / 3, 0], rtol=1e-5)


@pytest.mark.parametrize(("name", "final"), [("cross_entropy", 0.02), ("cross_entropy_logits", 0.02), ("bce", 0.05)])
def test_losses_train(name: str, final: float) -> None:
    head = {"cross_entropy": [{"type": "softmax"}], "bce": []}.get(name, [])
    last = "sigmoid" if name == "bce" else "linear"
    layers = [
        {"type": "dense", "input_size": 2, "output_size": 8, "activation": "tanh"},
        {"type": "dense", "output_size": 2, "activation": last},
        *head,
    ]
    network = build_network_from_json({"layers": layers}, seed=0)
    x, t = [[0, 0], [0, 1], [1, 0], [1, 1]], [[1, 0], [0, 1], [0, 1], [1, 0]]
    config = {"Epochs": 400, "LearningRate": 0.03, "LossType": name, "Optimizer": "adamw"}
    result = network.train([{"Input": x, "Target": t}], config)
    assert result.final_loss < final
    assert network.evaluate_classification(x, t).accuracy == 1.0


def test_aliases_and_unknown_names() -> None:
    network = build_network_from_json({"layers": [{"type": "dense", "input_size": 1, "output_size": 1}]}, seed=0)
    batch = [{"Input": [1], "Target": [0.5]}]
    for alias in ("binary_cross_entropy_logits", "MSE", "l1", ""):
        network.train(batch, {"Epochs": 1, "LossType": alias})
    with pytest.raises(ConfigError, match=r"config.LossType: unknown loss 'cross'"):
        network.train(batch, {"LossType": "cross"})
    with pytest.raises(InputError, match=r"batches\[0\].Target: -0.5 is no target for bce: 0 … 1"):
        network.train([{"Input": [1], "Target": [-0.5]}], {"LossType": "bce"})
    with pytest.raises(InputError, match=r"batches\[0\].Target: -1 is no target for cross_entropy: at least 0"):
        network.train([{"Input": [1], "Target": [-1]}], {"LossType": "cross_entropy"})
