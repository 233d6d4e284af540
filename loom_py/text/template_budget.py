"""What a chat template may cost, and the exceptions that stop one."""

from __future__ import annotations

MAX_STEPS = 500_000
MAX_SECONDS = 1.5
MAX_TEXT = 2_000_000  # characters of one string, and of the whole output
MAX_ITEMS = 200_000  # entries of one container, nested ones counted as often as they would print
MAX_LAZY = 20_000  # entries that a filter hands on one by one, in which nothing can pause
MAX_DEPTH = 32  # calls inside calls
MAX_LEVELS = 48  # containers inside containers
MAX_WIDTH = 10_000  # padding, indentation and the like
MAX_BITS = 4096  # size of an integer
MAX_FIELDS = 10_000  # of one format

LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


class BudgetError(Exception):
    """The template exceeds its budget. No template can catch this."""


class RaisedByTemplate(Exception):
    """The template called `raise_exception`."""


def check_length(length: int, limit: int = MAX_TEXT) -> None:
    if length > limit:
        raise BudgetError(f"the result would be longer than {limit}")


def check_replace(text: str, old: str, new: str) -> None:
    check_length(len(text) + text.count(old) * len(new))


def count_lines(text: str) -> int:
    """Lines as `splitlines` counts them, at least."""
    return 1 + sum(map(text.count, LINE_ENDS))
