"""Targets wait until their input has come through the network."""

from __future__ import annotations

from collections import deque
from typing import Any

from ..errors import InputError


class TargetQueue:
    """First in, first out, `depth` long.

    Pushed once a tick after `step_forward`, with `depth` = the number of layers, it gives back the target of the sample
    that the output now belongs to: an input set before tick t shows in the output after tick t + depth − 1.
    """

    def __init__(self, depth: int) -> None:
        if depth < 1:
            raise InputError(f"{depth} must be at least 1", where="depth")
        self.depth = depth
        self._items: deque[Any] = deque()

    def push(self, target: Any) -> Any | None:
        """Add this tick's target → the one that is due, or None while the first ones are on their way."""
        self._items.append(target)
        return self._items.popleft() if len(self._items) >= self.depth else None

    def clear(self) -> None:
        """Forget all that wait."""
        self._items.clear()

    def __len__(self) -> int:
        return len(self._items)
