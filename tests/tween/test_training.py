"""Tweening over epochs: learning, histories, early stopping, restoring the best, pruning, explosion detection."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loom_py import Network, build_network_from_json
from loom_py.bridge.values import bind
from loom_py.errors import ConfigError, InputError
from loom_py.network import reflection
from loom_py.nn.residual import Residual
from loom_py.tween import NetworkTween, StepTween, TweenConfig, TweenState, step_tween_chain, train, tween_epochs
from loom_py.tween.budgets import ExplosionGuard
from loom_py.tween.pruning import prune


def network(layers: int = 2, width: int = 8, seed: int = 0) -> Network:
    hidden = [{"type": "dense", "output_size": width, "activation": "leaky_relu"}] * (layers - 1)
    config = {"input_size": 2, "layers": [*hidden, {"type": "dense", "output_size": 2, "activation": "sigmoid"}]}
    result = build_network_from_json(config, seed=seed)
    rng = np.random.default_rng(seed)
    for p in result.params:
        p["kernel"][...] = rng.normal(0, 0.7, p["kernel"].shape)
    return result


def data(count: int = 40) -> tuple[list[Any], list[float]]:
    """Class 1 where the two values differ in sign."""
    x = np.random.default_rng(0).uniform(-1, 1, (count, 2))
    return list(x), [float(a * b < 0) for a, b in x]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rule", ["chain_rule", "principled"])
def test_learns_stops_early_and_keeps_the_best(rule: str, seed: int) -> None:
    """24 units at rate 0.2 converge within 45 epochs from each of these seeds, whatever the last digits do."""
    net, (inputs, classes) = network(width=24, seed=seed), data()
    state = TweenState(net, {"Mode": rule, "EarlyStopThreshold": 99})
    scores: list[tuple[int, float]] = []
    result = train(state, net, inputs, classes, 300, 0.2, lambda epoch, loss, m: scores.append((epoch, m.score)))
    assert result.stop_reason == "early stopping"
    assert result.best_score == pytest.approx(100.0)
    right = [int(np.argmax(net.forward(x))) == c for x, c in zip(inputs, classes, strict=True)]
    assert all(right)
    assert [epoch for epoch, _ in scores] == [1 + 5 * i for i in range(len(scores))]
    assert scores[-1] == (result.epochs, result.best_score)
    assert len(state.loss_history) == len(state.link_budget_history) == len(state.gap_history) == result.epochs
    assert state.tween_steps == 40 * result.epochs
    last = result.epoch_metrics[-1]
    assert last.depth_barrier == pytest.approx(float(np.prod(state.link_budget_history[-1])))
    assert state.depth_barrier_history[-1] == last.depth_barrier
    assert (last.avg_gap, last.max_gap) == pytest.approx((state.gap_history[-1].mean(), state.gap_history[-1].max()))
    assert last.bottleneck_layer == int(np.argmin(state.link_budget_history[-1]))
    record = last.to_json()
    names = {"Epoch", "AvgLoss", "Score", "AvgLinkBudget", "MinLinkBudget", "MaxLinkBudget", "AvgGap", "MaxGap"}
    assert names | {"DepthBarrier", "BottleneckLayer"} <= set(record)
    assert result.to_json()["BestScore"] == result.best_score


def test_order_repeats_with_its_seed() -> None:
    histories = []
    for seed in (3, 3, 4):
        net, (inputs, classes) = network(), data()
        histories.append(train(TweenState(net), net, inputs, classes, 3, 0.1, seed=seed).loss_history)
    assert histories[0] == histories[1] != histories[2]


def test_the_best_comes_back() -> None:
    net, (inputs, classes) = network(width=24), data()
    state = TweenState(net, {"EvalFrequency": 1, "EarlyStopThreshold": 200, "Momentum": 0})
    scores: list[float] = []

    def spoil_epoch_10(epoch: int, loss: float, metrics: Any) -> None:
        scores.append(metrics.score)
        if epoch == 10:  # both outputs saturate at 0, which no later step can leave
            net.params[-1]["kernel"][...] = 0
            net.params[-1]["bias"][...] = -1e4

    train(state, net, inputs, classes, 15, 0.2, spoil_epoch_10)
    assert scores[10:] == scores[-1:] * 5
    assert scores[-1] < max(scores)
    assert net.evaluate_network(inputs, classes).score == pytest.approx(max(scores)) == pytest.approx(state.best_score)


def test_callback_ends_and_closing_keeps() -> None:
    net, (inputs, classes) = network(), data()
    result = train(TweenState(net), net, inputs, classes, 50, 0.1, lambda *_: True)
    assert (result.epochs, result.stop_reason) == (1, "callback")
    state = TweenState(net)
    epochs = tween_epochs(state, net, inputs, classes, 50, 0.1)
    next(epochs)
    epochs.close()
    assert state.tween_steps == 40


def test_explosion_guard() -> None:
    guard = ExplosionGuard()
    assert [guard.factor(1.0) for _ in range(10)] == [1.0] * 10
    assert guard.baseline == 1.0
    factors = [guard.factor(20.0) for _ in range(13)]  # ten times the baseline, repeatedly
    expected, rate = [], 1.0
    for i in range(1, 14):
        rate = max(0.01, rate * (0.3 if i > 10 else 0.5 if i > 5 else 0.7))
        expected.append(rate)
    assert factors == pytest.approx(expected)
    assert factors[-1] == 0.01
    assert guard.factor(1.0) == pytest.approx(0.0105)
    guard.rate = 0.5
    assert guard.factor(1.6) == pytest.approx(0.35)  # grew by more than half
    assert ExplosionGuard(samples=10, previous=1.0, baseline=1.0, rate=0.99).factor(1.0) == 1.0


def test_explosion_detection_damps_a_step() -> None:
    moves = []
    for enabled in (True, False):
        net = network()
        state = TweenState(net, TweenConfig(explosion_detection=enabled, momentum=0.0))
        state.explosion = ExplosionGuard(samples=10, previous=1e-3, baseline=1e-6)
        before = net.params[1]["bias"].copy()
        state.tween_step(net, [0.5, 0.5], 0, 2, 0.1)
        moves.append(net.params[1]["bias"] - before)
    np.testing.assert_allclose(moves[0], 0.7 * moves[1], rtol=1e-5)


def low(state: TweenState, *layers: int) -> None:
    state.link_budgets = np.ones(state.total_layers)
    state.link_budgets[list(layers)] = 0.05


def test_pruning_switches_off_then_removes() -> None:
    net = network(layers=7, width=4)
    state = TweenState(net, {"PruneEnabled": True, "PrunePatience": 2})
    low(state, 2)
    assert prune(state, net) == []
    assert prune(state, net) == [f"switched off layer {i}" for i in (2, 3, 4)]
    assert [isinstance(layer, Residual) for layer in net.layers] == [i in (2, 3, 4) for i in range(7)]
    x = [0.3, -0.4]
    kept = [net.params[i] for i in (0, 1, 5, 6)]
    z: Any = np.array(x, np.float32)
    for p in kept[:-1]:
        z = z @ p["kernel"] + p["bias"]
        z = np.where(z >= 0, z, 0.1 * z)
    expected = 1 / (1 + np.exp(-(z @ kept[-1]["kernel"] + kept[-1]["bias"])))
    np.testing.assert_allclose(net.forward(x).ravel(), expected, rtol=1e-5)
    low(state)
    done: list[str] = []
    for _ in range(8):
        state.tween_step(net, x, 0, 2, 0.01)  # steps continue while layers disappear
        low(state)
        done += prune(state, net)
    assert [d.split()[0] for d in done] == ["removed"] * 3
    assert len(net.layers) == net.layers_per_cell == len(net.params) == state.total_layers == 4
    assert not state.disabled
    assert net.forward(x).shape == (1, 2)
    assert len(net.save_model_to_string("m")) > 0


def test_pruning_has_limits() -> None:
    net = network(layers=3, width=4)
    state = TweenState(net, {"PruneEnabled": True, "PrunePatience": 1})
    low(state, 0, 2)  # first and last are never touched, and layer 1 is alive
    assert prune(state, net) == []
    low(state, 1)
    assert prune(state, net) == ["switched off layer 1"]
    grid = Network(list(network(layers=4, width=4).layers), grid=(2, 2, 1), seed=0)
    other = TweenState(grid, {"PruneEnabled": True, "PrunePatience": 1})
    low(other, 1, 2)
    assert prune(other, grid) == []
    off = TweenState(net, {"PrunePatience": 1})
    low(off, 1)
    assert prune(off, net) == []


def test_restoring_the_best_brings_removed_layers_back() -> None:
    net = network(layers=4, width=4)
    state = TweenState(net, {"PruneEnabled": True, "PrunePatience": 1})
    state.save_best(net)
    before = net.forward([0.1, 0.2]).copy()
    low(state, 1)
    prune(state, net)
    prune(state, net)
    assert len(net.layers) == 3
    state.restore_best(net)
    assert len(net.layers) == net.layers_per_cell == state.total_layers == 4
    assert np.array_equal(net.forward([0.1, 0.2]), before)
    state.tween_step(net, [0.1, 0.2], 0, 2, 0.1)


def test_step_tween_chain_acts_on_the_pipeline_and_learns_from_now() -> None:
    net, twin = network(layers=3), network(layers=3)
    steps, tween = net.init_step_state(), TweenState(net)
    plain_steps, plain_tween = twin.init_step_state(), TweenState(twin)
    inputs, classes = data()
    for x, c in zip(inputs, classes, strict=True):
        seen: list[Any] = []

        def answer(output: Any, seen: list[Any] = seen, c: float = c) -> int:
            seen.append(output)
            return int(c)

        tick = step_tween_chain(net, steps, tween, x, answer, 2, 0.1)
        plain_steps.set_input(x)
        plain_steps.step_forward()
        acted = plain_steps.get_output()
        loss = plain_tween.tween_step(twin, x, int(c), 2, 0.1)
        assert isinstance(tick, StepTween)
        assert np.array_equal(tick.output, acted)
        assert np.array_equal(seen[0], acted)
        assert (tick.action, tick.loss) == (int(np.argmax(acted)), loss)
    assert steps.get_step_count() == len(inputs) == tween.tween_steps


def test_tweening_leaves_carried_state_alone() -> None:
    config = {"layers": [{"type": "lstm", "input_size": 2, "hidden_size": 2, "stateful": True}]}
    net = build_network_from_json(config, seed=0)
    state = TweenState(net, {"Mode": "principled"})
    net.forward([1.0, 2.0])
    held = {name: a.copy() for name, a in net.states(1)[0].items()}
    state.tween_step(net, [3.0, 4.0], 0, 2, 0.0)
    assert all(np.array_equal(a, held[name]) for name, a in net.states(1)[0].items())


def test_config() -> None:
    config = TweenConfig()
    record = config.to_json()
    assert len(record) == 43
    assert record["ReLUClampMax"] == 10
    assert record["SwiGLURate"] == 0.2
    assert record["LSTMGateScale"] == 0.25
    assert record["UseChainRule"] is True
    assert TweenConfig.from_json(record) == config
    assert TweenConfig.from_json({"use_chain_rule": False}).rule == "legacy"
    assert TweenConfig.from_json({"Mode": "principled"}).rule == "principled"
    for wrong, message in (
        ({"Mode": "magic"}, "magic"),
        ({"Momentum": 1}, "Momentum"),
        ({"DenseRat": 1}, "DenseRat"),
        ({"EvalFrequency": 0}, "EvalFrequency"),
        ({"DenseRate": "1"}, "DenseRate"),
    ):
        with pytest.raises(ConfigError, match=message):
            TweenConfig.from_json(wrong)
    state = TweenState(network(), {"Mode": "principled"})
    assert not state.get_chain_rule()
    state.set_chain_rule(True)
    assert state.get_chain_rule()
    state.set_chain_rule(False)
    assert state.config.rule == "legacy"


def test_wrong_calls_change_nothing() -> None:
    net = network()
    state = TweenState(net)
    before = {path: a.copy() for path, a in net.parameters.items()}
    calls: list[tuple[Any, str]] = [
        (lambda: state.tween_step(net, [1, 2], 2, 2, 0.1), "target_class"),
        (lambda: state.tween_step(net, [1, 2], -1, 2, 0.1), "target_class"),
        (lambda: state.tween_step(net, [1, 2], 0, 3, 0.1), "the output has 2 values, the target 3"),
        (lambda: state.tween_step(net, [1, 2, 3], 0, 2, 0.1), "expected 2 values, got 3"),
        (lambda: state.tween_step(net, [1, 2], 0, 2, float("nan")), "rate"),
        (lambda: state.tween_batch(net, [[1, 2]], [0, 1], 2, 0.1), "mismatched"),
        (lambda: train(state, net, [], [], 1, 0.1), "no samples"),
        (lambda: train(state, net, [[1, 2]], [2.0], 1, 0.1), "no class"),
        (lambda: train(state, net, [[1, 2]], [float("nan")], 1, 0.1), "finite number"),
        (lambda: train(state, net, [[1, 2]], [0.0], 0, 0.1), "epochs"),
        (lambda: state.tween_step(network(layers=3), [1, 2], 0, 2, 0.1), "made for 2 layers"),
    ]
    for call, message in calls:
        with pytest.raises(InputError, match=message):
            call()
    assert all(np.array_equal(a, before[path]) for path, a in net.parameters.items())
    state.tween_batch_apply(net, 0.1)  # nothing was accumulated
    assert all(np.array_equal(a, before[path]) for path, a in net.parameters.items())
    assert state.tween_batch(net, [], [], 2, 0.1) == 0


def test_reached_by_name_from_outside() -> None:
    net, (inputs, classes) = network(), data()
    assert "TrainWithTweening" in net.list_methods()
    rows = [x.tolist() for x in inputs]
    result = net.train_with_tweening({"EarlyStopThreshold": 99}, rows, classes, 400, 0.3)
    assert result.stop_reason == "early stopping"
    state = net.init_tween_state({"UseChainRule": False})
    assert state.config.rule == "legacy"


def test_plain_objects_describe_themselves() -> None:
    names = set(reflection.methods(NetworkTween))
    assert {"TweenStep", "SetChainRule", "GetChainRule", "GetTweenSteps"} <= names
    assert {r["method_name"] for r in reflection.describe(NetworkTween)} == names
    net = network()
    tween = NetworkTween(net, True)
    arguments = bind(NetworkTween.tween_step, [[0.5, -0.5], 1, 2, 0.1])
    expected = TweenState(net.astype(np.float32)).tween_step(net.astype(np.float32), [0.5, -0.5], 1, 2, 0.1)
    assert tween.tween_step(**arguments) == pytest.approx(expected)
    assert (tween.get_tween_steps(), tween.get_chain_rule()) == (1, True)
    assert np.array_equal(tween.get_link_budgets(), tween.state.link_budgets)
    assert np.array_equal(tween.get_gaps(), tween.state.gaps)
    assert np.array_equal(tween.get_depth_barrier(), np.cumprod(tween.state.link_budgets))
    tween.set_chain_rule(False)
    assert not tween.get_chain_rule()
