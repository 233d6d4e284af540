"""Rows of a cache for layers that keep a window of positions only.

Such a layer has rows for its window and for some more positions. When they are full all rows move up by `STEP`, so
that a copy of the window comes once for many tokens, and rows are always in the order of their positions, as kernels
expect them. What a layer keeps of the tokens of one chunk is written before any of them looks at it.
"""

from __future__ import annotations

from collections.abc import Iterable

from .protocols import CacheLayout

CHUNK = 64
"""The most tokens of a chunk."""
SLACK = 256
"""Rows beyond a window."""
STEP = SLACK - CHUNK
"""Rows that are left behind at once."""


def window_rows(window: int) -> int:
    """The most rows that a layer with this window has."""
    return window + SLACK


def windowed(layout: CacheLayout) -> dict[int, int]:
    """Layer → its window, for those whose keys and values have one."""
    return {
        layer: max(kept.window for kept in tensors.values())
        for layer, tensors in enumerate(layout)
        if any(kept.window for kept in tensors.values())
    }


def row_name(window: int) -> str:
    """The dynamic number of programs that says where rows of layers with this window go."""
    return f"row.{window}"


def steps_needed(length: int, count: int, base: int, window: int) -> int:
    """How often rows move up before `count` tokens come behind `length`, where row 0 is the position `base`."""
    return max(0, -(-(length + count - base - window_rows(window)) // STEP))


def first_rows(bases: Iterable[tuple[int, int]], length: int) -> dict[str, int]:
    """(window, position of row 0) → where the rows of the token behind `length` go."""
    return {row_name(window): length - base for window, base in bases}
