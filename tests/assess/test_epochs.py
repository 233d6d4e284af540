"""Tests 1 to 12: their data by hand, every test in small, its methods against each other, and who wins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from loom_py.assess import EXPERIMENTS, Options, assess, text
from loom_py.assess.best import Best
from loom_py.assess.datasets import IRIS, SETS, groups, iris, moons, quarters, remainders, spirals, split, sums
from loom_py.assess.experiments import jobs
from loom_py.assess.learner import Context, Learner, Settings
from loom_py.assess.methods import METHODS, learner
from loom_py.assess.networks import build
from loom_py.assess.runs import Job, run
from loom_py.assess.stacks import STACKS
from loom_py.assess.verdicts import verdicts
from loom_py.assess.views import views

NUMBERS = range(1, 13)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def job(number: int, model: str, method: str, epochs: float, **fields: Any) -> Job:
    e = EXPERIMENTS[number]
    sizes = {"seed": 3, "rate": e.rate, "settings": e.settings, "target": e.target, **fields}
    return Job(task=e.task, group=e.group, model=model, method=method, seconds=epochs, **sizes)


# --- data ---
def test_classes_by_hand() -> None:
    x = sums(200, rng())
    assert (x.classes == (x.inputs.astype(float).sum(axis=1) >= 4)).all()
    x = remainders(200, rng())
    assert (x.classes == np.floor(x.inputs.astype(float).sum(axis=1)) % 4).all()
    x = quarters(200, rng())
    s = x.inputs.astype(float).sum(axis=1)
    assert (x.classes == np.where(s > 1, 0, np.where(s > 0, 1, np.where(s > -1, 2, 3)))).all()
    x = groups(200, rng())
    high = [(x.inputs[:, 8 * g : 8 * g + 8].astype(float).sum(axis=1) > 4) for g in range(3)]
    assert (x.classes == high[0] + 2 * high[1] + 4 * high[2]).all()
    for task, (draw, outputs) in SETS.items():
        assert set(draw(400, rng()).classes.tolist()) == set(range(outputs)), task


def test_synthetic_iris_has_the_published_means_and_deviations() -> None:
    x = iris(60_000, rng())
    low, high = np.array([4.3, 2.0, 1.0, 0.1]), np.array([7.9, 4.4, 6.9, 2.5])
    for k, species in enumerate(IRIS):
        centimetres = x.inputs[x.classes == k] * (high - low) + low
        mean, deviation = np.array(IRIS[species]).T
        assert centimetres.mean(axis=0) == pytest.approx(mean, abs=0.02)
        assert centimetres.std(axis=0) == pytest.approx(deviation, rel=0.03)
    assert np.bincount(iris(150, rng()).classes).tolist() == [50, 50, 50]


def test_shapes_of_spirals_and_moons() -> None:
    x = spirals(400, rng())
    radius = np.hypot(x.inputs[:, 0], x.inputs[:, 1]) * 5
    expected = np.repeat(np.arange(200) / 200 * 5, 2)
    assert np.abs(radius - expected).max() < 0.08
    assert x.inputs[:, 4] == pytest.approx(np.sin(expected), abs=1e-6)
    first, second = (moons(400, rng()).inputs[k::2] for k in (0, 1))
    assert first.mean(axis=0) == pytest.approx([0, 2 / np.pi], abs=0.05)
    assert second.mean(axis=0) == pytest.approx([1, 0.5 - 2 / np.pi], abs=0.05)


def test_splits_do_not_share_samples() -> None:
    s = split("moons", 140, rng())
    sizes = [len(part.classes) for part in (s.train, s.choice, s.held_out)]
    assert sizes == [140, 30, 30]
    rows = np.concatenate([part.inputs for part in (s.train, s.choice, s.held_out)])
    assert len(np.unique(rows, axis=0)) == 200
    s = split("sums", 50, rng())
    assert (s.choice.inputs == s.train.inputs).all()
    assert len(s.held_out.classes) == 1000


# --- every test in small ---
@pytest.mark.parametrize("number", NUMBERS)
def test_every_test_runs_and_repeats(number: int) -> None:
    e = EXPERIMENTS[number]
    options = Options(only=(number,), runs=1, rate=8, scale=1 / e.seconds)
    record = assess(options)
    (result,) = record["experiments"]
    (again,) = assess(replace(options, models=e.models[-1:]))["experiments"]
    assert again["rows"] == [row for row in result["rows"] if row["model"] == e.models[-1]]
    assert {(r["model"], r["method"]) for r in result["rows"]} == {(m, x) for m in e.models for x in e.methods}
    for row in result["rows"]:
        assert (row["diverged"], len(row["runs"]), len(row["fresh"])) == (0, 1, 1)
        learns = METHODS[row["method"]].origin == "original" or row["method"].endswith("BP")
        shared = row["method"] in ("Waves", "BatchBP")  # four samples an update
        assert row["updates"]["mean"] == (0 if not learns else 2 if shared else 8)
    shown = text(record)
    assert f"## {number}. {e.title}" in shown
    assert "1 epochs a run of 8 samples: 8 ticks" in shown
    assert e.note in shown
    assert ("Who wins" in shown) == (number != 2)
    assert ("Layers left" in shown) == (number in (10, 11))


def test_seeds_and_sizes_change_the_samples() -> None:
    small = job(4, "4-16-8-3", "EqualBP", 2, rate=30)
    assert run(small) == run(small)
    assert run(small) != run(replace(small, seed=4))
    assert run(small) != run(replace(small, rate=31))


def test_the_clock_does_not_matter() -> None:
    """Epochs are counted in samples, also where other tests take seconds of the machine's clock."""
    assert all(j.clock == "ticks" for n in NUMBERS for j in jobs(EXPERIMENTS[n], Options(clock="wall")))


def test_the_iris_of_the_output_is_marked_as_synthetic() -> None:
    shown = text(assess(Options(only=(4,), methods=("Random",), runs=1, rate=10, scale=0.1)))
    assert "Not the flowers" in shown
    assert "Fisher 1936" in shown


def test_both_sides_learn_an_easy_test_and_chance_does_not() -> None:
    results = {m: run(job(4, "4-16-8-3", m, 6)) for m in ("TweenChain", "EqualBP", "Commonest", "Random")}
    for method in ("TweenChain", "EqualBP"):
        assert results[method]["held_out"] > 75, method
        assert results[method]["updates"] == 900
    for method in ("Commonest", "Random"):
        assert results[method]["held_out"] == pytest.approx(100 / 3, abs=8), method


def test_pruning_takes_layers_out_and_the_rest_still_answers() -> None:
    record = run(job(11, "Dense", "PrunedTween", 8, rate=10))
    assert record["layers"] < 20
    assert run(job(11, "Dense", "TweenChain", 8, rate=10))["layers"] == 20
    assert 0 <= record["held_out"] <= 100


def test_a_run_that_diverges_says_so_and_keeps_finite_weights() -> None:
    settings = (*EXPERIMENTS[6].settings, ("rate", 1e38))
    record = run(job(6, "Attention", "SampleBP", 3, rate=40, settings=settings))
    assert record["diverged"]
    assert record["updates"] < 120
    assert record["accuracy"] > 0


# --- networks ---
def test_networks_have_the_originals_widths_and_small_weights() -> None:
    for name in STACKS["dense"]:
        widths = [int(n) for n in name.split("-")]
        network = build("dense", name, widths[-1], 1)
        assert [network.input_size, *(layer.out_size for layer in network.layers)] == widths
        for width, p in zip(widths[:-1], network.params, strict=True):
            assert 0.9 / width < np.abs(p["kernel"]).max() <= 1 / width
            assert 0 <= p["bias"].min() <= p["bias"].max() <= 0.01
    counts = {
        "one of each": {3, 5},
        "five of each": {5, 7, 11},
        "normed": {39},
        "eighteen of each": {20},
        "five between": {7},
    }
    for group, expected in counts.items():
        networks = [build(group, model, 4, 1) for model in STACKS[group]]
        assert {len(n.layers) for n in networks} == expected
        assert all(np.isfinite(n.forward(np.ones(n.input_size or 0))).all() for n in networks)


# --- methods ---
def pupil(method: str, model: str = "Dense", group: str = "five between", **fields: Any) -> tuple[Learner, list[int]]:
    """A method on a fresh network, and the clock it reads: one number of nanoseconds of a run of 1,000."""
    now = [0]
    settings = Settings(tween_rate=0.3, rate=0.1, collect=1, **fields)
    network = build(group, model, 4, 5)
    context = Context(network=network, settings=settings, rng=rng(), seed=0, clock=lambda: now[0], length=1000)
    return learner(method, context), now


def weights(p: Learner) -> list[np.ndarray[Any, Any]]:
    return [np.array(params["kernel"], np.float64) for params in p.network.params]


def taught(p: Learner, count: int) -> Learner:
    data = quarters(count, rng())
    for x, t in zip(data.inputs, data.one_hot(4), strict=True):
        p.learn(x, t, p.act(x))
    return p


@pytest.mark.parametrize("model", ["Dense", "SwiGLU", "Attention", "RNN", "LSTM", "Conv2D"])
def test_waves_of_one_sample_are_tween_steps(model: str) -> None:
    """The means over one sample are that sample, so that any difference is one of the update."""
    one, plain = (taught(pupil(m, model, channels=1)[0], 6) for m in ("Waves", "Tween"))
    for a, b in zip(one.network.params, plain.network.params, strict=True):
        for name, w in a.items():
            assert w == pytest.approx(b[name], abs=1e-6)


def test_batch_backpropagation_descends_by_the_mean_gradient() -> None:
    data = quarters(4, rng())
    batch = taught(pupil("BatchBP", channels=4)[0], 4)
    moves = []
    for x, t in zip(data.inputs, data.one_hot(4), strict=True):
        single, _ = pupil("SampleBP")
        before = weights(single)
        single.learn(x, t, single.act(x))
        moves.append([a - b for a, b in zip(weights(single), before, strict=True)])
    start = weights(pupil("SampleBP")[0])
    for i, w in enumerate(weights(batch)):
        assert w - start[i] == pytest.approx(np.mean([m[i] for m in moves], axis=0), abs=1e-7)
    assert batch.c.updates == 1


def test_layers_start_to_learn_one_after_another() -> None:
    for now, learning in ((0, 1), (500, 4), (1000, 7)):
        p, clock = pupil("LayerByLayer")
        clock[0] = now
        before = weights(p)
        taught(p, 1)
        moved = [bool((a != b).any()) for a, b in zip(weights(p), before, strict=True)]
        assert moved == [False] * (7 - learning) + [True] * learning


def test_the_curriculum_moves_the_first_layers_further() -> None:
    plain, boosted = pupil("Tween")[0], pupil("Curriculum")[0]
    before = weights(plain)
    for learning in (plain, boosted):
        taught(learning, 1)
    for i, factor in enumerate((3, 2.5, 2, 1.5, 1, 1, 1)):
        step = weights(plain)[i] - before[i]
        error = np.linalg.norm(weights(boosted)[i] - before[i] - factor * step)
        assert error <= 0.02 * np.linalg.norm(step) + 1e-7, i


def test_four_views() -> None:
    x = np.full(4000, 2, np.float32)
    same, noisy, scaled, masked = views(x, rng())
    assert (same == x).all()
    assert (noisy - x).std() == pytest.approx(0.05, rel=0.1)
    assert len(set(scaled.tolist())) == 1
    assert 1.8 <= scaled[0] <= 2.2
    assert set(masked.tolist()) == {0, 2}
    assert (masked == 0).mean() == pytest.approx(0.1, abs=0.02)


def test_best_is_restored_unless_layers_have_gone() -> None:
    network = build("five between", "Dense", 4, 1)
    best = Best(network)
    kernel = network.params[0]["kernel"]
    for value, accuracy in ((1, 50), (2, 70), (3, 60), (np.inf, 90)):
        kernel[...] = value
        best.offer(accuracy)
    best.restore()
    assert (kernel == 2).all()
    del network.layers[3], network.params[3]
    kernel[...] = 4
    best.restore()
    assert (kernel == 4).all()
    best.offer(10)
    kernel[...] = 5
    best.restore()
    assert (kernel == 4).all()


# --- who wins ---
@pytest.mark.parametrize(
    ("tween", "plain", "winner"),
    [
        ((80, 90), (70, 80), "tweening"),
        ((70, 80), (80, 90), "backpropagation"),
        ((80, 81), (83, 84), "tie"),
        ((60, 90), (70, 60), "unclear"),
        ((32, 33), (30, 31), "neither learns"),
    ],
)
def test_verdicts_by_hand(tween: tuple[float, ...], plain: tuple[float, ...], winner: str) -> None:
    def row(method: str, runs: tuple[float, ...]) -> dict[str, Any]:
        return {"model": "Dense", "method": method, "fresh": list(runs), "held_out": {"mean": sum(runs) / len(runs)}}

    rows = [row("Tween", (1, 1)), row("TweenChain", tween), row("SampleBP", plain), row("EqualBP", (2, 2))]
    (verdict,) = verdicts({"number": 6, "rows": [*rows, row("Commonest", (30, 30))]})
    assert (verdict.tweening, verdict.backpropagation) == ("TweenChain", "SampleBP")
    assert (verdict.winner, verdict.claimed) == (winner, "backpropagation")
    assert verdict.difference.mean == pytest.approx(np.mean(tween) - np.mean(plain))
    assert verdicts({"number": 2, "rows": rows[2:]}) == []
