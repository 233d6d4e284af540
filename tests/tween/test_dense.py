"""Dense networks against the formulas written out, number by number, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loom_py import Network, build_network_from_json
from loom_py.tween import TweenConfig, TweenState

from ..report import row
from .reference import Tween

STACKS = {
    "relu, tanh, sigmoid": ("relu", "tanh", "sigmoid"),
    "leaky relu, softplus, linear": ("leaky_relu", "softplus", "linear"),
    "one layer": ("tanh",),
    "sigmoids": ("sigmoid", "sigmoid", "sigmoid", "sigmoid"),
    "thirteen layers": ("tanh", "leaky_relu", "sigmoid") * 4 + ("sigmoid",),
}


def pair(
    activations: tuple[str, ...], chain: bool, seed: int = 0, size: float = 0.8
) -> tuple[Network, TweenState, Tween]:
    """A network with its tween state, and the reference implementation of both."""
    layers: list[dict[str, Any]] = [
        {"type": "dense", "input_size": 4, "output_size": 5, "activation": name} for name in activations
    ]
    for layer in layers[1:]:
        layer["input_size"] = 5
    network = build_network_from_json({"layers": layers}, seed=seed).astype(np.float64)
    rng = np.random.default_rng(seed)
    for a in network.parameters.values():
        a[...] = rng.normal(0, size, a.shape)
    plain = [
        {"W": p["kernel"].tolist(), "b": p["bias"].tolist(), "f": f, "V": np.zeros_like(p["kernel"]).tolist()}
        for p, f in zip(network.params, activations, strict=True)
    ]
    return network, TweenState(network, TweenConfig(use_chain_rule=chain)), Tween(plain, chain)


def compare(network: Network, state: TweenState, plain: Tween) -> float:
    """Largest difference between the two."""
    pairs: list[tuple[Any, Any]] = [
        *zip(state.forward_acts, plain.acts, strict=True),
        *zip(state.backward_targets, plain.targets, strict=True),
        *zip(state.chain_gradients, plain.grads, strict=True),
        (state.link_budgets, plain.budgets),
        (state.gaps, plain.gaps),
        (state.depth_barrier, plain.barrier),
    ]
    for p, v, layer in zip(network.params, state.velocities, plain.layers, strict=True):
        pairs += [(p["kernel"], layer["W"]), (p["bias"], layer["b"])]
        if v:
            pairs.append((v["kernel"], layer["V"]))
    return max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in pairs)


@pytest.mark.parametrize("chain", [True, False], ids=["chain rule", "legacy"])
@pytest.mark.parametrize("name", STACKS)
def test_steps_equal_the_formulas(name: str, chain: bool) -> None:
    network, state, plain = pair(STACKS[name], chain)
    before = [p["kernel"].copy() for p in network.params]
    rng = np.random.default_rng(1)
    worst = 0.0
    for _ in range(25):
        x, c = rng.normal(0, 1, 4), int(rng.integers(5))
        loss = state.tween_step(network, x, c, 5, 0.3)
        assert loss == pytest.approx(plain.step(x.tolist(), c, 0.3), rel=1e-12)
        worst = max(worst, compare(network, state, plain))
    row("tween steps against the formulas", f"{name:<32}{'chain rule' if chain else 'legacy':<12}{worst:.1e}")
    assert worst < 1e-11
    assert state.tween_steps == state.get_tween_steps() == 25
    assert any(not np.allclose(a, p["kernel"]) for a, p in zip(before, network.params, strict=True))


def test_everything_is_clipped_at_its_limit() -> None:
    """Large weights and inputs reach the limits: gradients 10, updates 1, targets by activation."""
    network, state, plain = pair(("relu", "leaky_relu", "linear"), True, size=3.0)
    rng = np.random.default_rng(1)
    reached = 0.0
    for _ in range(3):
        x = rng.normal(0, 20, 4)
        state.tween_step(network, x, 2, 5, 5.0)
        plain.step(x.tolist(), 2, 5.0)
        difference = compare(network, state, plain)
        scale = max(1.0, *(float(np.abs(a).max()) for a in state.forward_acts))
        assert difference / scale < 1e-11
        reached = max(reached, *(float(np.abs(g).max()) for g in state.chain_gradients[:-1]))
    assert reached == 10


@pytest.mark.parametrize("chain", [True, False], ids=["chain rule", "legacy"])
def test_batches_equal_the_formulas(chain: bool) -> None:
    network, state, plain = pair(("tanh", "leaky_relu", "sigmoid"), chain)
    rng = np.random.default_rng(4)
    for _ in range(5):
        xs, classes = rng.normal(0, 1, (6, 4)), rng.integers(0, 5, 6).tolist()
        loss = state.tween_batch(network, list(xs), classes, 5, 0.4)
        assert loss == pytest.approx(plain.batch(xs.tolist(), classes, 0.4), rel=1e-12)
        assert compare(network, state, plain) < 1e-12
    assert state.batch_count == 0


def test_dead_layers_are_left_alone_by_legacy_and_batches() -> None:
    network, state, plain = pair(("tanh", "tanh"), False)
    network.params[1]["bias"][:] = [-5, 5, 5, 5, 5]  # the output points away from the target
    plain.layers[1]["b"] = network.params[1]["bias"].tolist()
    before = [p["kernel"].copy() for p in network.params]
    state.tween_step(network, [0.1, 0.2, 0.3, 0.4], 0, 5, 1.0)
    plain.step([0.1, 0.2, 0.3, 0.4], 0, 1.0)
    assert plain.budgets[1] >= 0.2  # cos is −1/√5: just above the threshold
    state.config = TweenConfig(use_chain_rule=False, ignore_threshold=0.5)
    held = network.params[1]["kernel"].copy()
    state.tween_step(network, [0.1, 0.2, 0.3, 0.4], 0, 5, 1.0)
    assert np.array_equal(network.params[1]["kernel"], held)
    state.config = TweenConfig(ignore_threshold=0.5)
    state.tween_batch(network, [[0.1, 0.2, 0.3, 0.4]], [0], 5, 1.0)
    assert np.array_equal(network.params[1]["kernel"], held)
    assert not np.array_equal(network.params[0]["kernel"], before[0])


def test_float32_stays_float32() -> None:
    network, _, _ = pair(("relu", "tanh", "sigmoid"), True)
    network = network.astype(np.float32)
    for rule in ("chain_rule", "legacy", "principled"):
        state = TweenState(network, TweenConfig(mode=rule))
        state.tween_step(network, [1.0, 2.0, 3.0, 4.0], 1, 5, 0.1)
        assert {a.dtype for a in network.parameters.values()} == {np.dtype(np.float32)}
        buffers = [*state.forward_acts, *state.backward_targets, *state.chain_gradients]
        assert {a.dtype for a in buffers} == {np.dtype(np.float32)}
        assert {v["kernel"].dtype for v in state.velocities} == {np.dtype(np.float32)}
