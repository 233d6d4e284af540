"""The world and the samples, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from loom_py.assess.worlds import ACTIONS, AVOID, CHASE, ChaseWorld, bands, quadrants

UP, DOWN, LEFT, RIGHT = range(4)


def world(agent: tuple[float, float], target: tuple[float, float], task: int = CHASE) -> ChaseWorld:
    chase = ChaseWorld(np.random.default_rng(0))
    chase.agent, chase.target, chase.task = np.array(agent), np.array(target), task
    return chase


@pytest.mark.parametrize(
    ("target", "chase", "avoid"),
    [
        ((0.9, 0.6), RIGHT, LEFT),
        ((0.1, 0.6), LEFT, RIGHT),
        ((0.6, 0.9), UP, DOWN),
        ((0.4, 0.1), DOWN, UP),
    ],
)
def test_best_action(target: tuple[float, float], chase: int, avoid: int) -> None:
    assert world((0.5, 0.5), target).best_action() == chase
    assert world((0.5, 0.5), target, AVOID).best_action() == avoid


def test_the_best_action_brings_nearer_and_leads_away() -> None:
    for task, sign in ((CHASE, -1), (AVOID, 1)):
        for target in ((0.9, 0.6), (0.1, 0.6), (0.6, 0.9), (0.4, 0.1)):
            w = world((0.5, 0.5), target, task)
            before = np.abs(w.target - w.agent).max()
            w.move(w.best_action())
            assert np.abs(w.target - w.agent).max() - before == pytest.approx(sign * 0.02)


def test_moves_stop_at_walls() -> None:
    for action, place in zip(range(len(ACTIONS)), ((0.99, 1.0), (0.99, 0.97), (0.97, 0.99), (1.0, 0.99)), strict=True):
        w = world((0.99, 0.99), (0.5, 0.5))
        w.move(action)
        assert w.agent == pytest.approx(place)


def test_observation_repeats_eight_values() -> None:
    seen = world((0.5, 0.5), (0.8, 0.9), AVOID).observation(10)
    assert seen.dtype == np.float32
    assert seen == pytest.approx([0.5, 0.5, 0.8, 0.9, 0.3, 0.4, 0.5, 1.0, 0.5, 0.5], abs=1e-6)


def test_the_target_drifts_a_little_and_stays_inside() -> None:
    w = world((0.5, 0.5), (0.101, 0.899))
    for _ in range(200):
        before = w.target
        w.drift()
        assert np.abs(w.target - before).max() <= 0.005
        assert w.target.min() >= 0.1
        assert w.target.max() <= 0.9


def test_bands() -> None:
    samples = bands(6, 50, np.random.default_rng(1))
    assert samples.inputs.shape == (150, 6)
    assert np.bincount(samples.classes).tolist() == [50, 50, 50]
    away = np.abs(samples.inputs - samples.classes[:, None] / 3)
    assert away.max() <= 0.15 + 1e-6
    assert samples.inputs.min() >= 0
    assert samples.one_hot(3)[[0, 60, 149]].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_quadrants_follow_their_rule() -> None:
    samples = quadrants(8, 400, 0.0, np.random.default_rng(2))
    for x, label in zip(samples.inputs.tolist(), samples.classes, strict=True):
        q = (1 if x[0] * x[1] > 0 else 0) + (2 if x[2] * x[3] > 0 else 0) + (1 if sum(x[4:]) > 0 else 0)
        assert label == q % 4 % 3


def test_noise_changes_two_thirds_of_the_labels_it_meets() -> None:
    clean = quadrants(8, 6000, 0.0, np.random.default_rng(3))
    noisy = quadrants(8, 6000, 0.3, np.random.default_rng(3))
    assert (clean.inputs == noisy.inputs).all()
    assert (clean.classes != noisy.classes).mean() == pytest.approx(0.2, abs=0.02)
