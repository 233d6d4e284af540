"""A watched chase equals the assessment's."""

from __future__ import annotations

from typing import Any

import pytest

from loom_py.assess.live import ChaseRun
from loom_py.assess.runs import Job, run
from loom_py.errors import InputError


def test_a_watched_chase_is_the_same_run() -> None:
    chase = ChaseRun("Dense", 3, "TickBP", 1500, 4)
    steps = ChaseRun.play.__dict__["steps"](chase)
    pictures: list[dict[str, Any]] = []
    ticks = 0
    try:
        while True:
            picture = next(steps)
            ticks += 1
            pictures += [picture] if picture else []
    except StopIteration as stop:
        record = stop.value
    assert ticks == 1500
    assert [p["tick"] for p in pictures] == list(range(5, 1501, 5))
    assert {p["task"] for p in pictures} == {0, 1}
    assert all(0 <= v <= 1 for p in pictures for v in (*p["agent"], *p["target"]))
    assert pictures[-1]["windows"] == record["windows"][:-1]
    assert record.pop("ticks_per_second") > 0
    job = Job(task="chase", group="depth", model="Dense-3L", method="TickBP", seed=4, seconds=3, rate=500)
    assert record == run(job)
    again = ChaseRun("Dense", 3, "TickBP", 1500, 4).play()
    assert again.pop("ticks_per_second") > 0
    assert again == record


@pytest.mark.parametrize(
    ("arguments", "where"),
    [(("Dens", 3, "TickBP"), "family"), (("Dense", 3, "Tick"), "method"), (("Dense", 1, "TickBP"), "model")],
)
def test_wrong_arguments_are_named(arguments: tuple[Any, ...], where: str) -> None:
    with pytest.raises(InputError) as caught:
        ChaseRun(*arguments)
    assert caught.value.where == where
    with pytest.raises(InputError, match="ticks"):
        ChaseRun("Dense", 3, "TickBP", 2)
