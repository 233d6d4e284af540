"""Step states: what a tick does, and that `step_backward` is the documented derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from loom_py import Network, build_network_from_json
from loom_py.errors import ConfigError, InputError
from loom_py.network import reflection
from loom_py.nn.layer import tree_map
from loom_py.stepping import StepState, TargetQueue
from loom_py.stepping.scaling import softmax_scaled

from ..nn import examples
from ..nn.gradients import numeric, relative_error
from ..report import row

LIMIT = 1e-6
RESIDUAL = {
    "layers": [
        {"type": "dense", "input_size": 4, "output_size": 4, "activation": "tanh"},
        {"type": "rms_norm"},
        {"type": "mha", "num_heads": 2},
        {"type": "rms_norm"},
        {"type": "swiglu", "output_size": 5},
        {"type": "layer_norm"},
        {"type": "residual", "skip": 3},
        {"type": "dense", "output_size": 3, "activation": "tanh"},
    ]
}
NESTED = {
    "type": "parallel",
    "branches": [
        {"type": "dense", "output_size": 3},
        {"type": "sequential", "layers": [{"type": "lstm", "hidden_size": 2}]},
    ],
}
Step = Callable[[StepState], None]


def make(config: dict[str, Any], seed: int = 0) -> Network:
    """Float64, with weights large enough for differences to be measured."""
    network = build_network_from_json(config, seed=seed).astype(np.float64)
    rng = np.random.default_rng(seed)
    for a in network.parameters.values():
        a[...] = rng.normal(0, 0.6, a.shape)
    return network


def inputs(network: Network, name: str, rng: np.random.Generator, batch: int = 1) -> Any:
    size = network.input_size or 4
    if name == "embedding":
        return rng.integers(0, examples.TOKENS, (batch, size)).astype(float)
    return rng.normal(0, 1, (batch, size))


@pytest.mark.parametrize("name", examples.EXAMPLES)
def test_constant_input_settles_to_forward(name: str) -> None:
    """After L ticks of a constant input the output is that of `forward`, bit for bit, and not before."""
    network = build_network_from_json(examples.network_config(name), seed=3)
    x = inputs(network, name, np.random.default_rng(0), batch=2)
    state = network.init_step_state(batch=2)
    state.set_input(x)
    for _ in network.layers:
        state.step_forward()
    expected = network.forward(x)
    assert np.array_equal(state.get_output(), expected.ravel())
    layers = network.activations()
    assert all(np.array_equal(a, b) for a, b in zip(state.get_layer_data(), layers, strict=True))
    assert state.get_step_count() == len(network.layers)


def test_residual_stream_settles_too() -> None:
    network = make(RESIDUAL)
    x = np.random.default_rng(1).normal(0, 1, (1, 4))
    state = network.init_step_state()
    state.set_input(x)
    for _ in network.layers:
        state.step_forward()
    settled = state.get_output()
    assert np.array_equal(settled, network.forward(x).ravel())
    for _ in range(50):  # the stream is not accumulated: the output stays constant
        state.step_forward()
    assert np.array_equal(state.get_output(), settled)


def test_all_layers_read_the_tick_before() -> None:
    network = make({"layers": [{"type": "dense", "input_size": 2, "output_size": 2, "activation": "tanh"}] * 3})
    state = network.init_step_state()
    rng = np.random.default_rng(0)
    buffers = [np.zeros((1, 2))] * 4
    for _ in range(6):
        x = rng.normal(0, 1, (1, 2))
        state.set_input(x)
        buffers[0] = x
        layers = zip(network.params, buffers, strict=False)
        buffers = [x, *(np.tanh(b @ p["kernel"] + p["bias"]) for p, b in layers)]
        state.step_forward()
        for mine, theirs in zip(buffers, state.get_layer_data(), strict=True):
            np.testing.assert_allclose(mine.ravel(), theirs, rtol=1e-13)


def test_recurrent_state_by_choice() -> None:
    config = {"layers": [{"type": "sequential", "layers": [{"type": "lstm", "input_size": 3, "hidden_size": 2}]}]}
    network = make(config)
    stateful = make({"layers": [{"type": "lstm", "input_size": 3, "hidden_size": 2, "stateful": True}]})
    for mine, theirs in zip(stateful.parameters.values(), network.parameters.values(), strict=True):
        mine[...] = theirs
    states = {choice: network.init_step_state(recurrent=choice) for choice in ("layer", "carry", "reset")}
    own = stateful.init_step_state()
    zeroed = stateful.init_step_state(recurrent="reset")
    x = [0.3, -1.0, 0.7]
    outputs: dict[str, list[Any]] = {}
    for _ in range(4):
        for name, state in {**states, "own": own, "zeroed": zeroed}.items():
            state.set_input(x)
            state.step_forward()
            outputs.setdefault(name, []).append(state.get_output())
    assert np.array_equal(outputs["layer"], outputs["reset"])
    assert np.array_equal(outputs["zeroed"], outputs["reset"])
    assert np.array_equal(outputs["own"], outputs["carry"])
    assert np.array_equal(outputs["carry"][0], outputs["reset"][0])
    assert not np.allclose(outputs["carry"][3], outputs["reset"][3])
    states["carry"].reset_state()
    states["carry"].step_forward()
    assert np.array_equal(states["carry"].get_output(), outputs["carry"][0])


def ticks(network: Network, xs: Any, single: tuple[int, ...] = ()) -> StepState:
    """A fixed schedule: one tick for each input, then single layers."""
    state = network.init_step_state(len(xs[0].ravel()))
    for x in xs:
        state.set_input(x)
        state.step_forward()
    for layer in single:
        state.step_forward_single(layer)
    return state


CASES = {**{name: examples.network_config(name) for name in examples.EXAMPLES}, "residual stream": RESIDUAL}


@pytest.mark.parametrize("name", CASES)
def test_step_backward_is_the_derivative_of_this_output(name: str) -> None:
    """By central differences through the whole schedule: another input every tick, and layers advanced alone."""
    network = make(CASES[name])
    rng = np.random.default_rng(5)
    xs = [inputs(network, name, rng) for _ in range(len(network.layers) + 2)]
    single = (1, len(network.layers) - 1)
    state = ticks(network, xs, single)
    weight = rng.normal(0, 1, state.get_output().shape)
    shared = np.zeros_like(xs[0])  # added to every input: its derivative is the sum over the ticks

    def objective() -> float:
        return float(ticks(network, [x + shared for x in xs], single).get_output() @ weight)

    gx = state.step_backward(weight)
    gradients = {path: np.array(g) for path, g in network.gradients.items()}
    pairs = {path: (gradients[path], numeric(objective, a)) for path, a in network.parameters.items()}
    if name != "embedding":
        pairs["input"] = (gx, numeric(objective, shared).ravel())
    floor = 1e-3 * max(1.0, *(float(np.linalg.norm(b)) for _, b in pairs.values()))
    worst = max(relative_error(a, b, floor) for a, b in pairs.values())
    row("step_backward against central differences", f"{name:<24}{worst:.1e}")
    assert worst < LIMIT


def test_early_outputs_depend_on_few_layers() -> None:
    network = make({"layers": [{"type": "dense", "input_size": 3, "output_size": 3, "activation": "tanh"}] * 3})
    state = ticks(network, [np.ones((1, 3))])
    assert not np.any(state.step_backward([1.0, 1.0, 1.0]))
    touched = {path: bool(g.any()) for path, g in network.gradients.items()}
    assert touched == {path: path == "layers.2.bias" for path in touched}  # its input was still zero


def test_latest_buffers_agree_when_settled_and_not_before() -> None:
    network = make(RESIDUAL)
    rng = np.random.default_rng(2)
    x = rng.normal(0, 1, (1, 4))
    grad = rng.normal(0, 1, 3)
    state = ticks(network, [x] * len(network.layers))
    latest = state.step_backward(grad, buffers="latest")
    by_latest = {path: np.array(g) for path, g in network.gradients.items()}
    network.forward(x)
    np.testing.assert_allclose(latest, network.backward(grad).ravel(), rtol=1e-12)
    for path, g in network.gradients.items():
        np.testing.assert_allclose(by_latest[path], g, rtol=1e-12)
    used = state.step_backward(grad)
    np.testing.assert_allclose(used, latest, rtol=1e-9)
    moving = ticks(network, [rng.normal(0, 1, (1, 4)) for _ in range(12)])
    assert not np.allclose(moving.step_backward(grad), moving.step_backward(grad, buffers="latest"))


def test_softmax_scaling() -> None:
    network = make({"input_size": 4, "layers": [NESTED, {"type": "dense", "output_size": 2}]})
    state = ticks(network, [np.random.default_rng(i).normal(0, 1, (1, 4)) for i in range(4)])
    state.step_backward([1.0, -2.0])
    plain = [tree_map(np.array, tree) for tree in network.gradient_trees or []]
    state.step_backward([1.0, -2.0], scaling="softmax")
    kernel, bias = plain[1]["kernel"], plain[1]["bias"]
    for g, name in ((kernel, "kernel"), (bias, "bias")):
        e = np.exp(np.abs(g))
        np.testing.assert_allclose((network.gradient_trees or [])[1][name], g * e / e.sum() * g.size, rtol=1e-12)
    lstm = plain[0]["branches"][1]["layers"][0]
    both = np.concatenate([lstm["weight_ih"].ravel(), lstm["weight_hh"].ravel()])
    e = np.exp(np.abs(both))
    scaled = (network.gradient_trees or [])[0]["branches"][1]["layers"][0]
    got = np.concatenate([scaled["weight_ih"].ravel(), scaled["weight_hh"].ravel()])
    np.testing.assert_allclose(got, both * e / e.sum() * both.size, rtol=1e-12)
    equal = {"kernel": np.full((2, 3), -0.5), "bias": np.zeros(3)}
    for name, value in softmax_scaled(equal).items():
        np.testing.assert_allclose(value, equal[name])


def test_optimisers_reach_every_parameter() -> None:
    network = build_network_from_json(examples.network_config("lstm"), seed=0)
    state = network.init_step_state()
    before = {path: a.copy() for path, a in network.parameters.items()}
    for tick in range(6):
        state.set_input(np.random.default_rng(tick).normal(0, 1, 12))
        network.step_forward(state)
        network.step_backward(state, state.get_output() - 1)
        network.apply_gradients_adamw(0.01, 0.9, 0.999, 0.0)
    assert [path for path, a in network.parameters.items() if (a == before[path]).all()] == []


def test_target_queue() -> None:
    queue = TargetQueue(3)
    assert [queue.push(i) for i in range(5)] == [None, None, 0, 1, 2]
    assert len(queue) == 2
    queue.clear()
    assert queue.push(9) is None
    assert TargetQueue(1).push("now") == "now"
    with pytest.raises(InputError, match="depth"):
        TargetQueue(0)


def test_delay_matches_the_ticks() -> None:
    """With a queue as deep as the network, the target that is due belongs to the output."""
    network = make({"layers": [{"type": "dense", "input_size": 2, "output_size": 2, "activation": "tanh"}] * 3})
    state, queue = network.init_step_state(), TargetQueue(3)
    rng = np.random.default_rng(0)
    for _ in range(8):
        x = rng.normal(0, 1, (1, 2))
        state.set_input(x)
        state.step_forward()
        due = queue.push(x)
        if due is not None:
            assert np.array_equal(network.forward(due).ravel(), state.get_output())


def test_wrong_calls() -> None:
    network = make(RESIDUAL)
    with pytest.raises(InputError, match="takes 4 values, got 5"):
        network.init_step_state(5)
    with pytest.raises(InputError, match="batch"):
        network.init_step_state(batch=0)
    with pytest.raises(ConfigError, match="carry"):
        network.init_step_state(recurrent="carri")
    state = network.init_step_state(4)
    with pytest.raises(InputError, match="needs a tick first"):
        state.step_backward([1.0, 1.0, 1.0])
    state.step_forward_single(7)
    with pytest.raises(InputError, match="whole tick"):
        state.step_backward([1.0, 1.0, 1.0], buffers="latest")
    with pytest.raises(InputError, match="expected 4 values, got 3"):
        state.set_input([1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="has 3 values, its gradient 2"):
        state.step_backward([1.0, 1.0])
    with pytest.raises(InputError, match="softmax"):
        state.step_backward([1.0, 1.0, 1.0], scaling="soft")
    for call in (state.get_layer_output, state.step_forward_single):
        with pytest.raises(InputError, match="must be at least 0"):
            call(-1)
    network.set_layer(0, 0, 0, network.get_layer(0, 0, 0) | {"Activation": 1})
    with pytest.raises(InputError, match="layers have changed"):
        state.step_forward()
    open_ended = build_network_from_json({"layers": [{"type": "softmax"}]})
    with pytest.raises(InputError, match="is required"):
        open_ended.init_step_state()
    assert len(open_ended.init_step_state(5).get_output()) == 5


def test_input_is_copied() -> None:
    network = make(RESIDUAL)
    state, x = network.init_step_state(), np.ones(4)
    state.set_input(x)
    x[:] = 7
    assert np.array_equal(state.get_layer_output(0), np.ones(4))
    state.get_output()[:] = 5
    assert not np.any(state.get_output())


def test_states_describe_themselves() -> None:
    """The requirements of an object in JavaScript: names, and values that have a JSON form."""
    names = {record["method_name"]: record for record in reflection.describe(StepState)}
    assert {"SetInput", "StepForward", "GetOutput", "StepBackward", "GetLayerOutput", "GetStepCount"} <= set(names)
    assert names["StepBackward"]["returns"] == ["[]float32"]
    assert names["StepForward"]["returns"] == ["time.Duration"]


def test_ticks_are_observed() -> None:
    network = make(RESIDUAL)
    state = network.init_step_state()
    state.step_forward()
    network.start_recording()
    state.set_input([1.0, 2.0, 3.0, 4.0])
    state.step_forward()
    state.step_backward([1.0, 1.0, 1.0])
    events = network.stop_recording()["events"]
    forward = [e for e in events if e["Type"] == "forward"]
    assert [e["LayerIdx"] for e in forward] == list(range(8))
    assert {(e["mode"], e["step_count"]) for e in forward} == {("step", 2)}
    assert {e["Type"] for e in events} == {"forward", "backward"}
