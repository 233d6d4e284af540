"""Rendering in steps: templates are coroutines, which pause at a statement when their slice of time is over."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Generator
from contextlib import suppress
from typing import Any

from .template_budget import MAX_DEPTH, MAX_SECONDS, MAX_STEPS, MAX_TEXT, BudgetError

SLICE_SECONDS = 0.02


class Budget:
    """What one rendering may still cost."""

    def __init__(self) -> None:
        self.steps = MAX_STEPS
        self.chars = MAX_TEXT
        self.depth = 0
        self.now = time.monotonic()
        self.deadline = self.now + MAX_SECONDS
        self.slice_end = self.now + SLICE_SECONDS

    def spend(self, steps: int, chars: int = 0) -> None:
        self.steps -= steps
        self.chars -= chars
        self.now = time.monotonic()
        if self.chars < 0:
            raise BudgetError(f"the output is longer than {MAX_TEXT} characters")
        if self.steps < 0 or self.now > self.deadline:
            raise BudgetError("the template takes too many steps")

    def enter(self) -> None:
        """A call begins; `leave` follows."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.depth -= 1
            raise BudgetError(f"calls are nested more than {MAX_DEPTH} deep")

    def leave(self) -> None:
        self.depth -= 1

    @property
    def pauses(self) -> bool:
        """Whether the slice is over."""
        return self.now > self.slice_end

    def go_on(self) -> None:
        """Begin another slice; the time between them is free."""
        now = time.monotonic()
        self.deadline += now - self.now
        self.now = now
        self.slice_end = now + SLICE_SECONDS


class Pause:
    """Awaited by a template: gives the turn to whoever drives it."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def pieces_of(rendering: AsyncIterator[str]) -> Generator[None, None, list[str]]:
    """Drive a rendering; yields at each pause → what it wrote. Closed early, it closes the rendering too."""
    pieces: list[str] = []
    while True:
        piece: Any = anext(rendering)
        step: Generator[None, None, str] = piece.__await__()
        try:
            while True:
                step.send(None)
                try:
                    yield
                except GeneratorExit:
                    with suppress(GeneratorExit, StopAsyncIteration):
                        step.throw(GeneratorExit)
                    raise
        except StopAsyncIteration:
            return pieces
        except StopIteration as stop:
            pieces.append(stop.value)
