"""The adaptation tracker on a clock that the test sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loom_py.errors import ConfigError, InputError
from loom_py.observe.adaptation import MILLISECOND, AdaptationComparison, AdaptationResult, AdaptationTracker


class Clock:
    """Nanoseconds, set in milliseconds."""

    def __init__(self) -> None:
        self.now = 123.0

    def __call__(self) -> int:
        return round(self.now * MILLISECOND)


def tracked(accuracies: list[float], changes: tuple[tuple[float, int, str], ...] = (), mode: str = "mode") -> Any:
    """A result with ten outputs per window of 100 ms, with these accuracies."""
    clock = Clock()
    tracker = AdaptationTracker(100, 100 * len(accuracies), clock)
    tracker.set_model_info("model", mode)
    for at, task_id, task in changes:
        tracker.schedule_task_change(at, task_id, task)
    tracker.start("a", 0)
    start = clock.now
    for window, accuracy in enumerate(accuracies):
        for i in range(10):
            clock.now = start + 100 * window + 10 * i
            tracker.record_output(i < accuracy * 10)
    clock.now = start + 100 * len(accuracies)
    return tracker.finalize()


def test_windows_and_recovery() -> None:
    result = tracked([0.8, 0.9, 0.2, 0.4, 0.6, 0.3, 0.1], ((200, 1, "b"), (500, 0, "a")))
    assert [w.accuracy for w in result.windows] == pytest.approx([80, 90, 20, 40, 60, 30, 10])
    assert [w.outputs for w in result.windows] == [10] * 7
    assert {w.outputs_per_sec for w in result.windows} == {100}
    assert [w.current_task for w in result.windows] == ["a", "a", "b", "b", "b", "a", "a"]
    assert (result.total_outputs, result.duration) == (70, 700 * MILLISECOND)
    assert result.avg_accuracy == pytest.approx(sum([80, 90, 20, 40, 60, 30, 10]) / 7)
    first, second = result.task_changes
    assert (first.from_task, first.to_task, first.at_time) == ("a", "b", 200 * MILLISECOND)
    assert (first.pre_change_window, first.post_change_window) == (1, 2)
    assert (first.pre_accuracy, first.post_accuracy) == pytest.approx((90, 20))
    assert (first.recovery_windows, first.recovery_time) == (2, 200 * MILLISECOND)
    assert (second.recovery_windows, second.recovery_time) == (-1, 0)


def test_going_back_to_a_task_is_one_change() -> None:
    """Every scheduled change is recorded once, however many outputs come after it."""
    result = tracked([0.5] * 9, ((300, 1, "b"), (600, 0, "a")))
    assert [(c.from_task, c.to_task) for c in result.task_changes] == [("a", "b"), ("b", "a")]


def test_record_output_returns_the_task_of_the_output() -> None:
    clock = Clock()
    tracker = AdaptationTracker(100, 1000, clock)
    tracker.schedule_task_change(300, 2, "late")
    tracker.schedule_task_change(200, 1, "early")  # order of time, not of calls
    tracker.start("first", 0)
    assert tracker.record_output(True) == 0
    clock.now += 250
    assert (tracker.record_output(True), tracker.get_current_task()) == (0, 1)
    assert (tracker.record_output(True), tracker.get_current_task()) == (1, 1)
    clock.now += 700
    assert (tracker.record_output(False), tracker.get_current_task()) == (1, 2)
    windows = tracker.get_windows()
    assert [w.outputs for w in windows] == [1, 0, 2, 0, 0, 0, 0, 0, 0, 1]
    clock.now += 500
    tracker.record_output(True)  # after the last window
    result = tracker.finalize()
    assert result.total_outputs == 4
    assert result.avg_accuracy == pytest.approx(200 / 3)  # of the windows that had outputs
    late = result.task_changes[1]
    assert (late.post_change_window, late.post_accuracy, late.recovery_windows) == (9, 0.0, -1)


def test_a_change_to_the_same_task_does_not_count() -> None:
    result = tracked([0.5] * 3, ((100, 0, "a"),))
    assert result.task_changes == []


def test_a_change_after_the_last_window() -> None:
    clock = Clock()
    tracker = AdaptationTracker(100, 150, clock)  # one whole window
    tracker.schedule_task_change(120, 1, "b")
    tracker.start("a", 0)
    clock.now += 130
    tracker.record_output(True)
    result = tracker.finalize()
    assert len(result.windows) == 1
    assert result.task_changes[0].recovery_windows == -1
    assert result.avg_accuracy == 0


def comparison() -> AdaptationComparison:
    comparisons = AdaptationComparison()
    comparisons.add_result(tracked([0.9, 0.1, 0.9], ((100, 1, "b"),), "wild"))
    comparisons.add_result(tracked([0.5, 0.6, 0.5], ((100, 1, "b"),), "steady"))
    return comparisons


def test_comparison() -> None:
    comparisons = comparison()
    best, stable = comparisons.get_best_by_avg_accuracy(), comparisons.get_most_stable()
    assert best is not None
    assert stable is not None
    assert (best.mode_name, stable.mode_name) == ("wild", "steady")
    assert AdaptationComparison().get_best_by_avg_accuracy() is None
    assert AdaptationComparison().get_most_stable() is None


def test_windows_without_outputs_say_nothing_about_stability() -> None:
    """80 % in the first and the third window, and nothing in between, is as steady as can be."""
    clock = Clock()
    tracker = AdaptationTracker(100, 300, clock)
    tracker.set_model_info("model", "slow")
    tracker.start("a", 0)
    start = clock.now
    for at in (0, 200):
        for i in range(10):
            clock.now = start + at + i
            tracker.record_output(i < 8)
    comparisons = AdaptationComparison([tracked([0.5, 0.6, 0.5], mode="other"), tracker.finalize()])
    stable = comparisons.get_most_stable()
    assert stable is not None
    assert stable.mode_name == "slow"
    unused = AdaptationTracker(100, 300, clock)
    unused.start("a", 0)
    assert AdaptationComparison([unused.finalize()]).get_most_stable() is None


def test_tables() -> None:
    comparisons = comparison()
    lines = comparisons.timeline("Test", 4).splitlines()
    assert lines[0] == "Test — accuracy over time"
    assert lines[3].split() == ["wild", "90%", "10%", "90%", "-"]
    assert len({len(line) for line in (lines[1], lines[2])}) == 1
    summary = comparisons.summary("Test").splitlines()
    assert summary[3].split("  ")[0] == "wild"
    assert "90%→10% (1)" in summary[3]
    assert summary[3].endswith("63.3%")
    one = comparisons.results[0]
    assert "→b" in one.timeline()
    assert "30" in one.summary()
    assert "no changes" in tracked([0.5]).summary()


def test_saved_and_read_back(tmp_path: Path) -> None:
    comparisons, file = comparison(), tmp_path / "comparison.json"
    comparisons.save_to_json(str(file))
    record = json.loads(file.read_text(encoding="utf-8"))
    first = record["results"][0]
    assert list(first) == [
        *("model_name", "mode_name", "total_outputs", "avg_accuracy", "windows", "task_changes", "duration"),
    ]
    assert list(first["windows"][0]) == [
        *("window_index", "duration", "outputs", "correct", "accuracy", "outputs_per_sec", "current_task", "task_id"),
    ]
    assert list(first["task_changes"][0]) == [
        *("at_time", "from_task", "to_task", "pre_change_window", "post_change_window"),
        *("pre_accuracy", "post_accuracy", "recovery_windows", "recovery_time"),
    ]
    assert AdaptationComparison.load_from_json(str(file)).results == comparisons.results
    assert AdaptationResult.from_json(first) == comparisons.results[0]
    file.write_text('{"results": [{"model_name": 1}]}')
    with pytest.raises(ConfigError, match="model_name"):
        AdaptationComparison.load_from_json(str(file))
    file.write_text('{"results": 1}')
    with pytest.raises(ConfigError, match="results"):
        AdaptationComparison.load_from_json(str(file))


def test_wrong_calls() -> None:
    for window, total in ((0, 10), (10, -1), (float("nan"), 10)):
        with pytest.raises(InputError, match="milliseconds"):
            AdaptationTracker(window, total)
    tracker = AdaptationTracker(10, 100)
    with pytest.raises(InputError, match="not been started"):
        tracker.record_output(True)
    with pytest.raises(InputError, match="at least 0"):
        tracker.schedule_task_change(-1, 0, "a")
    tracker.start("a", 0)
    with pytest.raises(InputError, match="before the start"):
        tracker.schedule_task_change(1, 0, "a")
    with pytest.raises(InputError, match="already"):
        tracker.start("a", 0)
    assert tracker.record_output(True) == 0  # by the system's clock
