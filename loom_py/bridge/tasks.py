"""Long work in slices, so that the caller can report progress, handle events and stop in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from ..runtime.pending import Waiting


class Task:
    """A generator run for a few milliseconds at a time.

    **Arguments:**

    - `steps`: the work; each `next` is one whole step.
    - `event`: the event for a step; None for no event.
    - `result`: the result, made from the generator's return value.
    - `check`: called before every slice; what it raises ends the task.
    - `more`: whether the next step is at hand, so that it belongs to the same slice.
    """

    def __init__(
        self,
        steps: Iterator[Any],
        event: Callable[[Any], Any],
        result: Callable[[Any], Any] = lambda value: value,
        check: Callable[[], object] = lambda: None,
        more: Callable[[Any], bool] = lambda step: False,
    ) -> None:
        self._steps = steps
        self._check = check
        self._more = more
        self._event = event
        self._result = result
        self.done = False
        self.waiting: Any = None
        """The promise that the next step needs."""

    def advance(self, budget_ms: float) -> dict[str, Any]:
        """Run at least one step, then more until the budget is used: `{done, events, result}`.

        Where the work waits for a device it stops early, with `waiting` set; the promise is in `self.waiting`.
        Errors of the work pass through and end the task.
        """
        self.waiting = None
        events: list[Any] = []
        result = None
        limit = time.perf_counter() + budget_ms / 1000
        try:
            self._check()
            while True:
                step = next(self._steps)
                if isinstance(step, Waiting):
                    self.waiting = step.promise
                    break
                event = self._event(step)
                if event is not None:
                    events.append(event)
                if time.perf_counter() >= limit and not self._more(step):
                    break
        except StopIteration as stop:
            self.done = True
            result = self._result(stop.value)
        except BaseException:
            self.done = True
            raise
        return {"done": self.done, "waiting": self.waiting is not None, "events": events, "result": result}

    def close(self) -> None:
        """Stop after the last whole step."""
        self.done = True
        close = getattr(self._steps, "close", None)
        if close is not None:
            close()
