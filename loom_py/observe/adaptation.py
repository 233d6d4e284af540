"""How fast a model adapts when its task changes: accuracy by time window, and comparisons of several models."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from ..errors import InputError
from ..marks import shared
from ..schema.fields import Fields, Json, is_number, shown
from ..schema.strict import parse_json

MILLISECOND = 1_000_000
RECOVERED = 50.0
"""Accuracy (percent) from which a model counts as recovered from a change."""


@dataclass(kw_only=True)
class TimeWindow:
    """Outputs of one stretch of time; `duration` in nanoseconds, `accuracy` in percent."""

    window_index: int
    duration: int
    outputs: int = 0
    correct: int = 0
    accuracy: float = 0.0
    outputs_per_sec: int = 0
    current_task: str = ""
    task_id: int = 0


@dataclass(kw_only=True)
class TaskChange:
    """One change of task; `at_time` and `recovery_time` in nanoseconds.

    `recovery_windows` counts from the window of the change to the first with at least 50 % accuracy; −1: none.
    """

    at_time: int
    from_task: str
    to_task: str
    pre_change_window: int
    post_change_window: int
    pre_accuracy: float = 0.0
    post_accuracy: float = 0.0
    recovery_windows: int = -1
    recovery_time: int = 0


@dataclass(kw_only=True)
class AdaptationResult:
    """What a tracker measured; `duration` in nanoseconds, accuracies in percent."""

    model_name: str
    mode_name: str
    total_outputs: int
    avg_accuracy: float
    windows: list[TimeWindow] = field(default_factory=list)
    task_changes: list[TaskChange] = field(default_factory=list)
    duration: int = 0

    def to_json(self) -> Json:
        """The original's layout."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object, where: str = "result") -> Self:
        """The reverse of `to_json`; `ConfigError` with the path."""
        f = Fields(value, where)
        windows = [_read(TimeWindow, item) for item in f.objects("windows")]
        changes = [_read(TaskChange, item) for item in f.objects("task_changes")]
        tracker = cls(
            model_name=f.string("model_name"),
            mode_name=f.string("mode_name"),
            total_outputs=f.integer("total_outputs", minimum=0),
            avg_accuracy=f.number("avg_accuracy"),
            windows=windows,
            task_changes=changes,
            duration=f.integer("duration", minimum=0, maximum=2**63 - 1),
        )
        f.finish()
        return tracker

    def timeline(self, windows: int = 15) -> str:
        """Accuracy of the first windows as a text table, with the changes of task marked below."""
        marks = {change.post_change_window: f"→{change.to_task}" for change in self.task_changes}
        shown = min(windows, len(self.windows))
        below = ["", *(marks.get(i, "") for i in range(shown))]
        return _table(f"{self.model_name} — accuracy over time", _header(shown), [_accuracies(self, shown), below])

    def summary(self) -> str:
        """Outputs, changes and mean accuracy as a text table."""
        return _table(f"{self.model_name} — adaptation", SUMMARY, [_summary(self)])


@shared
class AdaptationTracker:
    """Counts outputs by time window of `window` milliseconds, `total` milliseconds in all.

    Outputs after the last window are not counted. Scheduled changes of task happen with the first output at or after
    their time, each exactly once, in order of time.

    **Arguments:**

    - `clock`: nanoseconds that never go back; the system's monotonic clock if left out.
    """

    def __init__(self, window: float, total: float, clock: Callable[[], int] = time.monotonic_ns) -> None:
        for name, value in (("window", window), ("total", total)):
            if not is_number(value) or not 0 < value < 1e15:
                raise InputError(f"expected milliseconds above 0, got {shown(value)}", where=name)
        self._window = max(1, round(window * MILLISECOND))
        count = max(1, round(total * MILLISECOND) // self._window)
        self._windows = [TimeWindow(window_index=i, duration=self._window) for i in range(count)]
        self._clock = clock
        self._model, self._mode = "", ""
        self._schedule: list[tuple[int, int, str]] = []
        self._done = 0
        self._changes: list[TaskChange] = []
        self._start: int | None = None
        self._task, self._task_id = "", 0

    def set_model_info(self, model: str, mode: str) -> None:
        """Names for the tables."""
        self._model, self._mode = model, mode

    def schedule_task_change(self, at: float, task_id: int, task: str) -> None:
        """Change to a task `at` milliseconds after the start; before `start` only."""
        if self._start is not None:
            raise InputError("changes are scheduled before the start", where="schedule_task_change")
        if not 0 <= at < 1e15:
            raise InputError(f"expected milliseconds of at least 0, got {at}", where="at")
        self._schedule.append((round(at * MILLISECOND), task_id, task))
        self._schedule.sort(key=lambda change: change[0])

    def start(self, task: str, task_id: int) -> None:
        """Start with this task; a tracker starts only once."""
        if self._start is not None:
            raise InputError("has already been started", where="start", remedy="Create a new tracker.")
        self._task, self._task_id, self._start = task, task_id, self._clock()
        self._windows[0].current_task, self._windows[0].task_id = task, task_id

    def record_output(self, correct: bool) -> int:
        """Count an output → id of the task it was for, that is, the one before any change due now."""
        elapsed = self._elapsed()
        before = self._task_id
        index = elapsed // self._window
        while self._done < len(self._schedule) and elapsed >= self._schedule[self._done][0]:
            at, task_id, task = self._schedule[self._done]
            self._done += 1
            if task_id == self._task_id:
                continue
            change = TaskChange(
                at_time=at,
                from_task=self._task,
                to_task=task,
                pre_change_window=max(0, index - 1),
                post_change_window=index,
            )
            self._changes.append(change)
            self._task, self._task_id = task, task_id
        if index < len(self._windows):
            window = self._windows[index]
            window.outputs += 1
            window.correct += bool(correct)
            window.current_task, window.task_id = self._task, self._task_id
        return before

    def get_current_task(self) -> int:
        """Id of the task after the changes made so far."""
        return self._task_id

    def get_windows(self) -> list[TimeWindow]:
        """Copies of all windows, with the accuracies so far."""
        return [self._measured(window) for window in self._windows]

    def finalize(self) -> AdaptationResult:
        """The result so far; may be called repeatedly."""
        elapsed = self._elapsed()
        windows = self.get_windows()
        used = [w.accuracy for w in windows if w.outputs]
        changes = [self._recovery(change, windows) for change in self._changes]
        return AdaptationResult(
            model_name=self._model,
            mode_name=self._mode,
            total_outputs=sum(w.outputs for w in windows),
            avg_accuracy=sum(used) / len(used) if used else 0.0,
            windows=windows,
            task_changes=changes,
            duration=elapsed,
        )

    def _elapsed(self) -> int:
        if self._start is None:
            raise InputError("has not been started", where="AdaptationTracker", remedy="Call start first.")
        return self._clock() - self._start

    def _measured(self, window: TimeWindow) -> TimeWindow:
        copy = TimeWindow(**asdict(window))
        if copy.outputs:
            copy.accuracy = 100 * copy.correct / copy.outputs
            copy.outputs_per_sec = round(copy.outputs * 1e9 / self._window)
        return copy

    def _recovery(self, change: TaskChange, windows: Sequence[TimeWindow]) -> TaskChange:
        copy = TaskChange(**asdict(change))
        pre, post = change.pre_change_window, change.post_change_window
        copy.pre_accuracy = windows[pre].accuracy if pre < len(windows) else 0.0
        copy.post_accuracy = windows[post].accuracy if post < len(windows) else 0.0
        recovered = [w.window_index - post for w in windows[post:] if w.accuracy >= RECOVERED]
        if recovered:
            copy.recovery_windows = recovered[0]
            copy.recovery_time = recovered[0] * self._window
        return copy


@shared
class AdaptationComparison:
    """Results side by side."""

    def __init__(self, results: Sequence[AdaptationResult] = ()) -> None:
        self.results = list(results)

    def add_result(self, result: AdaptationResult) -> None:
        """Add a result."""
        self.results.append(result)

    def get_best_by_avg_accuracy(self) -> AdaptationResult | None:
        """The one with the largest mean accuracy, the first of equals; None without results."""
        return max(self.results, key=lambda r: r.avg_accuracy, default=None)

    def get_most_stable(self) -> AdaptationResult | None:
        """The one whose window accuracies vary least (population variance), the first of equals.

        Windows without outputs have no accuracy and count no more than in the mean; None if there are no others.
        """
        return min((r for r in self.results if _measured(r)), key=_variance, default=None)

    def timeline(self, title: str, windows: int = 10) -> str:
        """Accuracy by window, a row a result, as a text table."""
        return _table(
            f"{title} — accuracy over time", _header(windows), [_accuracies(r, windows) for r in self.results]
        )

    def summary(self, title: str) -> str:
        """Outputs, changes and mean accuracy, a row a result, as a text table."""
        return _table(f"{title} — adaptation", SUMMARY, [_summary(r) for r in self.results])

    def to_json(self) -> Json:
        return {"results": [r.to_json() for r in self.results]}

    def save_to_json(self, filename: str) -> None:
        """Write the results to a file, completely or not at all."""
        path = Path(filename)
        half = path.with_name(path.name + ".part")
        half.write_text(json.dumps(self.to_json(), indent=2, ensure_ascii=False), encoding="utf-8")
        os.replace(half, path)

    @classmethod
    def load_from_json(cls, filename: str) -> Self:
        """The reverse of `save_to_json`."""
        f = Fields(parse_json(Path(filename).read_bytes(), where=filename), filename)
        results = f.objects("results", required=True)
        f.finish()
        return cls([AdaptationResult.from_json(r.values, r.path) for r in results])


SUMMARY = ["Mode", "Outputs", "Before→after (windows to recover)", "Mean accuracy"]


def _read(cls: Any, f: Fields) -> Any:
    """One flat record of strings, counts and percentages."""
    values: dict[str, Any] = {}
    for name, kind in cls.__annotations__.items():
        if kind == "int":
            values[name] = f.integer(name, minimum=-1, maximum=2**63 - 1)
        else:
            values[name] = f.number(name) if kind == "float" else f.string(name)
    f.finish()
    return cls(**values)


def _measured(result: AdaptationResult) -> list[float]:
    """Accuracies of the windows that had outputs."""
    return [w.accuracy for w in result.windows if w.outputs]


def _variance(result: AdaptationResult) -> float:
    values = _measured(result)
    mean = sum(values) / len(values)
    return sum((v - mean) ** 2 for v in values) / len(values)


def _header(windows: int) -> list[str]:
    return ["Mode", *(str(i + 1) for i in range(windows))]


def _accuracies(result: AdaptationResult, windows: int) -> list[str]:
    shown = [f"{w.accuracy:.0f}%" for w in result.windows[:windows]]
    return [result.mode_name, *shown, *["-"] * (windows - len(shown))]


def _summary(result: AdaptationResult) -> list[str]:
    changes = " | ".join(
        f"{c.pre_accuracy:.0f}%→{c.post_accuracy:.0f}% ({'never' if c.recovery_windows < 0 else c.recovery_windows})"
        for c in result.task_changes
    )
    return [result.mode_name, str(result.total_outputs), changes or "no changes", f"{result.avg_accuracy:.1f}%"]


def _table(title: str, header: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in [header, *rows]]
    rule = "  ".join("─" * width for width in widths)
    return "\n".join([title, lines[0].rstrip(), rule, *(line.rstrip() for line in lines[1:])])
