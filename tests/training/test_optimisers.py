"""Optimisers against a second implementation, and their state between calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from loom_py import Network, build_network_from_json, load_model_from_string
from loom_py.errors import ConfigError, InputError
from loom_py.runtime import numpy_ops
from loom_py.training.optimisers import SGD, AdamW, Optimiser, RMSprop, read_optimiser
from loom_py.training.state import TrainingState

from . import reference

Array = NDArray[Any]
CONFIG = {
    "layers": [
        {"type": "dense", "input_size": 3, "output_size": 4, "activation": "tanh"},
        {"type": "lstm", "hidden_size": 2},
        {"type": "dense", "output_size": 2, "activation": "sigmoid"},
    ]
}
CASES: dict[str, tuple[Optimiser, Callable[..., Array], tuple[Any, ...]]] = {
    "SGD": (SGD(), reference.sgd, (0, 0, False)),
    "SGD (momentum)": (SGD(momentum=0.9), reference.sgd, (0.9, 0, False)),
    "SGD (momentum), dampened": (SGD(momentum=0.8, dampening=0.3), reference.sgd, (0.8, 0.3, False)),
    "SGD (Nesterov momentum)": (SGD(momentum=0.9, nesterov=True), reference.sgd, (0.9, 0, True)),
    "AdamW": (AdamW(), reference.adamw, (0.9, 0.999, 1e-8, 0.01)),
    "AdamW, other": (
        AdamW(beta1=0.7, beta2=0.95, epsilon=1e-3, weight_decay=0.2),
        reference.adamw,
        (0.7, 0.95, 1e-3, 0.2),
    ),
    "RMSprop": (RMSprop(), reference.rmsprop, (0.99, 1e-8, 0)),
    "RMSprop (momentum)": (RMSprop(alpha=0.9, epsilon=1e-4, momentum=0.5), reference.rmsprop, (0.9, 1e-4, 0.5)),
}


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
@pytest.mark.parametrize("name", CASES)
def test_against_the_reference(name: str, dtype: Any, tolerance: float) -> None:
    optimiser, formula, options = CASES[name]
    assert optimiser.name == name.split(",")[0]
    rng = np.random.default_rng(0)
    start = [rng.normal(size=shape) for shape in ((3, 4), (4,), (2, 2, 2))]
    grads = [[rng.normal(size=w.shape) for w in start] for _ in range(25)]
    lrs = [0.1 / (1 + i) for i in range(25)]
    weights = [w.astype(dtype) for w in start]
    state = TrainingState()
    for step, lr in zip(grads, lrs, strict=True):
        state.apply(numpy_ops, weights, [g.astype(dtype) for g in step], lr, optimiser)
    assert state.step == 25
    for i, w in enumerate(weights):
        expected = formula(start[i], [step[i] for step in grads], lrs, *options)
        np.testing.assert_allclose(w, expected, rtol=tolerance, atol=tolerance)
        assert w.dtype == dtype


@pytest.mark.parametrize("name", CASES)
def test_a_step_leaves_its_gradients_alone(name: str) -> None:
    g = np.array([[1.0, -2.0]])
    TrainingState().apply(numpy_ops, [np.ones((1, 2))], [g], 0.1, CASES[name][0])
    np.testing.assert_array_equal(g, [[1.0, -2.0]])


def step(network: Network) -> None:
    """A forward and a backward pass."""
    network.forward_cpu([0.3, -0.2, 0.9])
    network.backward_cpu([1.0, -0.5])


CALLS: dict[str, Callable[[Network], None]] = {
    "SGD": lambda n: n.apply_gradients(0.1),
    "AdamW": lambda n: n.apply_gradients_adamw(0.01, 0.9, 0.999, 0.01),
    "RMSprop": lambda n: n.apply_gradients_rmsprop(0.01, 0.99, 1e-8, 0.0),
    "RMSprop (momentum)": lambda n: n.apply_gradients_rmsprop(0.01, 0.99, 1e-8, 0.9),
    "SGD (momentum)": lambda n: n.apply_gradients_sgd_momentum(0.1, 0.9, 0.0, False),
    "SGD (Nesterov momentum)": lambda n: n.apply_gradients_sgd_momentum(0.1, 0.9, 0.0, True),
}


@pytest.mark.parametrize("name", CALLS)
def test_state_survives_between_calls_and_a_file(name: str) -> None:
    """Six calls in a row, and six with a save and a load after each, end in the same bits."""
    straight, saved = (build_network_from_json(CONFIG, seed=3) for _ in range(2))
    for i in range(6):
        for network in (straight, saved):
            step(network)
            CALLS[name](network)
        assert straight.training_state.step == i + 1
        saved = load_model_from_string(saved.save_model_to_string("m"), "m")
        assert saved.training_state.optimiser.name == name
    for path, a in straight.parameters.items():
        assert a.tobytes() == saved.parameters[path].tobytes()
    for slot, tensors in straight.training_state.slots.items():
        assert [t.tobytes() for t in tensors] == [t.tobytes() for t in saved.training_state.slots[slot]]


@pytest.mark.parametrize("name", ["AdamW", "RMSprop (momentum)", "SGD (momentum)", "SGD (Nesterov momentum)"])
def test_the_tests_would_notice_a_forgotten_state(name: str) -> None:
    kept, forgetful = (build_network_from_json(CONFIG, seed=3) for _ in range(2))
    for _ in range(3):
        for network in (kept, forgetful):
            step(network)
            CALLS[name](network)
        forgetful.reset_optimizer()
    assert any(not np.array_equal(a, forgetful.parameters[path]) for path, a in kept.parameters.items())


def test_apply_gradients_keeps_the_optimiser_in_use() -> None:
    network = build_network_from_json(CONFIG, seed=0)
    assert network.get_optimizer() == {**SGD().to_json(), "Step": 0}
    step(network)
    network.apply_gradients_adamw(0.01, 0.9, 0.999, 0.01)
    network.apply_gradients(0.01)
    assert network.get_optimizer() == {**AdamW().to_json(), "Step": 2}
    network.apply_gradients_adamw(0.01, 0.8, 0.999, 0.01)  # other options: a new optimiser
    assert network.get_optimizer()["Step"] == 1
    network.set_optimizer({"Type": "RMSprop"})
    assert network.get_optimizer() == {**RMSprop().to_json(), "Step": 0}
    network.initialize_weights(1)
    assert network.get_optimizer()["Type"] == "sgd"


def test_plain_sgd_is_update_weights() -> None:
    a, b = (build_network_from_json(CONFIG, seed=3) for _ in range(2))
    for network in (a, b):
        step(network)
    a.apply_gradients(0.1)
    b.update_weights(0.1)
    for path, w in a.parameters.items():
        np.testing.assert_array_equal(w, b.parameters[path])


def test_names_come_out_as_the_original_s() -> None:
    network = build_network_from_json(CONFIG, seed=0)
    names = {"ApplyGradients", "ApplyGradientsAdamW", "ApplyGradientsRMSprop", "ApplyGradientsSGDMomentum"}
    assert names | {"GetOptimizer", "SetOptimizer", "ResetOptimizer"} <= set(network.list_methods())
    signature = network.get_method_signature("ApplyGradientsSGDMomentum")
    assert signature == "ApplyGradientsSGDMomentum(float32, float32, float32, bool)"


def test_decay_spares_tensors_of_one_axis() -> None:
    weights = [np.ones((2, 2)), np.ones(2)]
    TrainingState().apply(numpy_ops, weights, [np.zeros((2, 2)), np.zeros(2)], 0.5, AdamW(weight_decay=0.1))
    np.testing.assert_allclose(weights[0], 0.95)
    np.testing.assert_array_equal(weights[1], 1)


@pytest.mark.parametrize("optimiser", [case[0] for case in CASES.values()])
def test_json_both_ways(optimiser: Optimiser) -> None:
    assert read_optimiser(json.loads(json.dumps(optimiser.to_json()))) == optimiser
    assert read_optimiser(optimiser) is optimiser


def test_spellings() -> None:
    assert read_optimiser(None) == read_optimiser("") == read_optimiser("SGD") == SGD()
    assert read_optimiser("sgd_momentum") == read_optimiser({"type": "SGDMomentum"}) == SGD(momentum=0.9)
    assert read_optimiser({"TYPE": "AdamW", "weight_decay": 0}) == AdamW(weight_decay=0.0)
    assert read_optimiser({"Type": "sgd", "Momentum": 0.5, "Nesterov": 1}) == SGD(momentum=0.5, nesterov=True)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("adam", r"o.Type: unknown name 'adam'. Did you mean 'adamw'"),
        (7, "o: expected a name or an object, got a number"),
        ({"Beta1": 0.9}, "o.Type: missing"),
        ({"Type": "adamw", "Beta": 0.9}, "o.Beta: unknown key 'Beta'. Did you mean 'Beta[12]'"),
        ({"Type": "adamw", "beta_1": 1}, "o.beta_1: 1 must be at least 0 and below 1"),
        ({"Type": "adamw", "Beta2": -0.1}, "o.Beta2: -0.1 must be at least 0 and below 1"),
        ({"Type": "adamw", "Epsilon": 0}, "o.Epsilon: 0 must be above 0"),
        ({"Type": "adamw", "WeightDecay": "x"}, "o.WeightDecay: expected a finite number"),
        ({"Type": "sgd", "Momentum": float("nan")}, "o.Momentum: expected a finite number"),
        ({"Type": "sgd", "Nesterov": 2}, "o.Nesterov: expected true or false"),
        ({"Type": "sgd", "momentum": 0.1, "Momentum": 0.2}, "o.Momentum: the same key as 'momentum'"),
    ],
)
def test_wrong_options(value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_optimiser(value, "o")


def test_wrong_calls_change_nothing() -> None:
    network = build_network_from_json(CONFIG, seed=0)
    with pytest.raises(InputError, match="needs a backward pass first"):
        network.apply_gradients(0.1)
    with pytest.raises(ConfigError, match=r"AdamW.beta1: 1 must be"):
        AdamW(beta1=1.0)
    step(network)
    before = network.save_model_to_string("m")
    for call in (
        lambda: network.apply_gradients(float("nan")),
        lambda: network.apply_gradients_adamw(0.1, 2.0, 0.999, 0.01),
        lambda: network.apply_gradients_rmsprop(0.1, 0.99, -1.0, 0.0),
        lambda: network.apply_gradients_sgd_momentum(0.1, 1.5, 0.0, True),
        lambda: network.apply_gradients_adamw(float("inf"), 0.9, 0.999, 0.01),
        lambda: network.set_optimizer({"Type": "adagrad"}),
    ):
        with pytest.raises((ConfigError, InputError)):
            call()
    assert network.save_model_to_string("m") == before


def test_a_replaced_layer_restarts_the_optimiser() -> None:
    network = build_network_from_json(CONFIG, seed=0)
    step(network)
    network.apply_gradients_adamw(0.01, 0.9, 0.999, 0.01)
    layers = [CONFIG["layers"][0], {"type": "lstm", "hidden_size": 5}, CONFIG["layers"][2]]
    wider = build_network_from_json({"layers": layers}, seed=0)
    network.layers[1:], network.params[1:] = wider.layers[1:], wider.params[1:]
    loaded = load_model_from_string(network.save_model_to_string("m"), "m")
    assert loaded.get_optimizer() == {**AdamW().to_json(), "Step": 0}
    for other in (network, loaded):
        other.forward_cpu([0.3, -0.2, 0.9])
        other.backward_cpu([1.0, -0.5])
        other.apply_gradients_adamw(0.01, 0.9, 0.999, 0.01)
        assert other.get_optimizer()["Step"] == 1
