"""Single runs: measures computed by hand, reproducibility, and that learning methods learn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from loom_py.assess.learner import Context, Learner, Settings
from loom_py.assess.methods import METHODS, Method, learner
from loom_py.assess.networks import DEPTHS, FAMILIES, MIXTURE, build
from loom_py.assess.runs import Clock, Job, run
from loom_py.assess.worlds import ChaseWorld
from loom_py.errors import InputError


def chase(method: str, seconds: float = 2, rate: int = 300, **fields: Any) -> Job:
    fields = {"group": "depth", "model": "Dense-3L", "seed": 5, **fields}
    return Job(task="chase", method=method, seconds=seconds, rate=rate, **fields)


def bands(method: str, seconds: float = 2, **fields: Any) -> Job:
    settings = (("decay", 0.9999), ("floor", 0.001), ("delayed", 1), ("collect", 20), ("tween_rate", 0.15))
    fields = {"group": "small", "model": "Dense", "seed": 5, "settings": settings, **fields}
    return Job(task="bands", method=method, seconds=seconds, rate=2000, **fields)


class Oracle(Learner):
    """Takes the right action from the observation; `blind`: for chasing alone."""

    blind = False

    def act(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        world = ChaseWorld(np.random.default_rng(0))
        world.agent, world.target = x[:2].astype(float), x[2:4].astype(float)
        world.task = 0 if self.blind else int(x[7])
        return np.eye(4)[world.best_action()]


class OnlyChases(Oracle):
    blind = True


def test_measures_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine windows of 20 ticks, changes after the third and the sixth; one tick passes before a change is seen."""
    monkeypatch.setitem(METHODS, "Oracle", Method(Oracle, "baseline"))
    monkeypatch.setitem(METHODS, "OnlyChases", Method(OnlyChases, "baseline"))
    perfect = run(chase("Oracle", 9, 20))
    assert perfect["windows"] == [100] * 9
    assert (perfect["accuracy"], perfect["chase"], perfect["avoid"], perfect["outputs"]) == (100, 100, 100, 180)
    half = run(chase("OnlyChases", 9, 20))
    assert half["windows"] == [100, 100, 100, 5, 0, 0, 95, 100, 100]
    assert half["accuracy"] == pytest.approx(600 / 9)
    assert (half["chase"], half["avoid"]) == (100, 0)
    assert half["changes"] == [
        {"before": 100, "after": 5, "recovery": 3},
        {"before": 0, "after": 95, "recovery": 0},
    ]


def test_collecting_methods_update_every_fifty_milliseconds() -> None:
    """1000 ticks of a millisecond: the updates come at ticks 50, 100, …, 950, the first of 51 samples."""
    record = run(chase("NormalBP", 1, 1000))
    assert record["updates"] == 951
    assert run(chase("TickBP", 1, 1000))["updates"] == 1000
    fewer = run(chase("StepTweenChain", 1, 1000, settings=(("tween_every", 7),)))
    assert fewer["updates"] == 143


@pytest.mark.parametrize("method", list(METHODS))
def test_a_seed_repeats_and_another_differs(method: str) -> None:
    for job in (chase(method, 0.5), bands(method, 0.2)):
        record = run(job)
        assert run(job) == record
        assert not record["diverged"]
    assert run(chase(method, 0.5, seed=6)) != run(chase(method, 0.5))


def test_learning_beats_chance() -> None:
    easy = {name: run(bands(name)) for name in ("TickBP", "Random", "Constant", "TweenChain", "StepBPTrue")}
    for name in ("TickBP", "TweenChain", "StepBPTrue"):
        assert easy[name]["accuracy"] == 100, name
        assert easy[name]["held_out"] > 90, name
        assert easy[name]["reached"] is not None, name
    assert easy["Constant"]["accuracy"] == pytest.approx(100 / 3)
    assert easy["Random"]["held_out"] == pytest.approx(100 / 3, abs=10)
    assert run(chase("TickBP", 3))["chase"] > run(chase("Random", 3))["chase"] + 10


def test_tick_backpropagation_is_plain_gradient_descent() -> None:
    """One layer of sigmoids: w ← w − lr x (y − t) y (1 − y)."""
    network = build("depth", "Dense-2L", 4, 0)
    context = Context(
        network=network, settings=Settings(rate=0.5), rng=np.random.default_rng(0), seed=0, clock=lambda: 0
    )
    pupil = learner("TickBP", context)
    x, target = np.linspace(-1, 1, 8).astype(np.float32), np.array([0, 1, 0, 0], np.float32)
    w = [np.array(p["kernel"], np.float64) for p in network.params]
    b = [np.array(p["bias"], np.float64) for p in network.params]
    z = x @ w[0] + b[0]
    h = np.where(z >= 0, z, 0.1 * z)
    y = 1 / (1 + np.exp(-(h @ w[1] + b[1])))
    output = pupil.act(x)
    assert output == pytest.approx(y, abs=1e-6)
    pupil.learn(x, target, output)
    g = (y - target) * y * (1 - y)
    gh = (w[1] @ g) * np.where(z >= 0, 1, 0.1)
    for p, kernel, bias in zip(network.params, (np.outer(x, gh), np.outer(h, g)), (gh, g), strict=True):
        w0, b0 = w.pop(0), b.pop(0)
        assert p["kernel"] == pytest.approx(w0 - 0.5 * kernel, abs=1e-6)
        assert p["bias"] == pytest.approx(b0 - 0.5 * bias, abs=1e-6)


def test_stepping_has_no_part_in_what_tweening_learns() -> None:
    """A tween step runs the whole network forward by itself, so that ticks beside it change nothing."""
    stepped, plain = run(bands("StepTweenChain", 0.5)), run(bands("TickTween", 0.5))
    assert stepped == plain


def test_what_is_seen_of_divergence() -> None:
    """The run ends well, and says so; nothing more is learned."""
    record = run(chase("TickBP", 1, settings=(("rate", 1e38),)))
    assert record["diverged"]
    assert record["updates"] < record["outputs"] == 300


def test_the_machines_clock_runs_in_real_time() -> None:
    record = run(replace(chase("TickBP", 0.2), clock="wall"))
    assert record["outputs"] > 60  # ticks would have been 60; a tick takes far less than 3 ms
    clock = Clock("ticks", 1000)
    clock.ticks = 5
    assert clock() == 5_000_000
    thirds = Clock("ticks", 300)
    thirds.ticks = 300
    assert thirds() == 1_000_000_000  # to the nanosecond, also where a tick is no whole number of them
    with pytest.raises(InputError, match="wall"):
        Clock("moon", 1000)


def test_all_networks_run_and_their_names_are_checked() -> None:
    for family in FAMILIES:
        for depth in DEPTHS:
            network = build("depth", f"{family}-{depth}L", 4, 1)
            assert len(network.layers) == depth
            assert np.isfinite(network.forward(np.ones(network.input_size or 0))).all()
    for group in ("small", "large", "twenty"):
        for model in MIXTURE:
            network = build(group, model, 3, 1)
            assert network.layers[-1].out_size == 3
            assert group != "twenty" or len(network.layers) == 20
    for name in ("Dense", "Dense-3", "Dense-1L", "Dense-99L", "GRU-3L", "Dense-xL"):
        with pytest.raises(InputError, match="Dense-3L"):
            build("depth", name, 4, 0)
    with pytest.raises(InputError, match="LSTM"):
        build("small", "GRU", 3, 0)


def test_first_weights() -> None:
    network = build("depth", "Dense-3L", 4, 3)
    assert network.params[1]["kernel"].std() == pytest.approx((2 / 64) ** 0.5, rel=0.1)
    assert not network.params[1]["bias"].any()
    lstm = build("depth", "LSTM-3L", 4, 3).params[1]
    assert lstm["bias"].reshape(4, 8).sum(axis=1).tolist() == [0, 8, 0, 0]
    assert (build("depth", "Dense-3L", 4, 3).params[1]["kernel"] == network.params[1]["kernel"]).all()
    assert (build("depth", "Dense-3L", 4, 4).params[1]["kernel"] != network.params[1]["kernel"]).any()
    branch = build("small", "Parallel", 3, 3).params[1]["branches"][0]
    assert branch["kernel"].std() == pytest.approx(0.5, rel=0.3)


def test_unknown_method() -> None:
    with pytest.raises(InputError, match="TickBP"):
        run(chase("Magic"))
