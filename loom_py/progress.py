"""Run work that comes in steps, and show a progress bar on the terminal.

The bar is tqdm's where that is installed, else a plain line; nothing where standard error is no terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Self, TypeVar

Step = TypeVar("Step")
Result = TypeVar("Result")


def to_end(steps: Generator[Step, None, Result], on_step: Callable[[Step], object] | None = None) -> Result:
    """Run to completion and return the result; `on_step` is called with every step."""
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            return stop.value
        if on_step is not None:
            on_step(step)


class Bar:
    """`with Bar("loading", total) as bar: bar.to(done)`; `unit` is "B" for bytes; a total not known yet is 0."""

    def __init__(self, label: str, total: float, unit: str = "it") -> None:
        self.label, self.total, self.unit = label, total, unit
        self._bar: Any = None
        self._shown = -1

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                pass
            else:
                self._bar = tqdm(total=self.total, desc=self.label, unit=self.unit, unit_scale=True, leave=False)
        return self

    def to(self, done: float, note: str = "") -> None:
        """Show `done` of `total`, with a short note behind."""
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(done - self._bar.n)
        elif sys.stderr.isatty():
            percent = int(100 * done / self.total) if self.total else 100
            if percent != self._shown:
                self._shown = percent
                print(f"\r{self.label}: {percent:3d} % {note}\x1b[K", end="", file=sys.stderr, flush=True)

    def update(self, done: float, total: float, note: str = "") -> None:
        """The same, when the total is known only by the first report."""
        if total != self.total:
            self.total = total
            if self._bar is not None:
                self._bar.total = total
        self.to(done, note)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._shown >= 0:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
