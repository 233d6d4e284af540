"""A queue that holds targets until their inputs have passed through the network."""

from __future__ import annotations

from collections import deque
from typing import Any

from ..values import whole


class TargetQueue:
    """First in, first out, `depth` long.

    Push one target a tick, after `step_forward`. With `depth` = the number of layers the queue then returns the target
    of the sample that the output belongs to: an input set before tick t reaches the output after tick t + depth − 1.
    """

    def __init__(self, depth: int) -> None:
        whole(depth, "depth", 1)
        self.depth = depth
        self._items: deque[Any] = deque()

    def push(self, target: Any) -> Any | None:
        """Add this tick's target → the target that is due, or None until the first one is."""
        self._items.append(target)
        return self._items.popleft() if len(self._items) >= self.depth else None

    def clear(self) -> None:
        """Forget all waiting targets."""
        self._items.clear()

    def __len__(self) -> int:
        return len(self._items)
