"""Limits on cost: what is slow each time fails, on a machine of any speed; what other programs slow down does not."""

from __future__ import annotations

import pytest

from . import cost


class Clock:
    """Processor time that only `work` and the yardstick move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.left = [0.0]

    def work(self, *seconds: float) -> list[float]:
        """Seconds of the next runs; the last is that of all later ones."""
        self.left = list(seconds)
        return self.left

    def run(self) -> str:
        self.now += self.left.pop(0) if len(self.left) > 1 else self.left[0]
        return "done"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(cost.time, "process_time", lambda: clock.now)
    monkeypatch.setattr(cost, "_yardstick", lambda: cost.YARDSTICK)
    return clock


def test_what_is_slow_each_time_fails(clock: Clock) -> None:
    clock.work(3)
    with pytest.raises(AssertionError, match=r"took 3\.00, 3\.00, 3\.00, 3\.00 s of processor time, more than 2 s"):
        cost.check_cost(2, clock.run)


def test_what_is_slow_once_does_not(clock: Clock) -> None:
    left = clock.work(3, 5, 1)
    assert cost.check_cost(2, clock.run) == "done"
    assert left == [1]


def test_a_slow_machine_has_longer(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "_yardstick", lambda: 4 * cost.YARDSTICK)
    clock.work(7)
    assert cost.check_cost(2, clock.run) == "done"
    clock.work(9)
    with pytest.raises(AssertionError):
        cost.check_cost(2, clock.run)
