"""Long texts in steps of some milliseconds, between which one may stop.

A text is cut where that changes nothing, or work on it goes on where it stopped.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

BLOCK = 1 << 16
"""Characters of one step where each takes nanoseconds."""
TURNS = 4096
"""Items of one step where each takes some microseconds."""


def blocks(text: str, boundary: re.Pattern[str] | None = None) -> Iterator[str]:
    """`text` in parts of about `BLOCK` characters.

    - `boundary`: its matches end where the text may be cut; anywhere unless given.
    """
    at = 0
    while len(text) - at > BLOCK:
        match = boundary.search(text, at + BLOCK) if boundary is not None else None
        end = at + BLOCK if boundary is None else len(text) if match is None else match.end()
        yield text[at:end]
        at = end
    yield text[at:]


def changed(
    text: str, change: Callable[[str], str], boundary: re.Pattern[str] | None = None
) -> Generator[None, None, str]:
    """`change` of a text, part by part; see `blocks`."""
    if len(text) <= BLOCK:
        return change(text)
    parts: list[str] = []
    for part in blocks(text, boundary):
        parts.append(change(part))
        yield
    return "".join(parts)


def listed(items: Iterable[T], turns: int = TURNS) -> Generator[None, None, list[T]]:
    """All items of something that makes them as they are asked for."""
    result: list[T] = []
    iterator = iter(items)
    while some := list(islice(iterator, turns)):
        result += some
        if len(some) == turns:
            yield
    return result


def neighbours(count: int) -> Generator[None, None, tuple[array[int], array[int]]]:
    """The places after and before each of `count` symbols in a row; yields after each `BLOCK`."""
    after, before = array("q"), array("q")
    for first in range(0, count, BLOCK):
        last = min(first + BLOCK, count)
        after.extend(range(first + 1, last + 1))
        before.extend(range(first - 1, last - 1))
        yield
    return after, before
