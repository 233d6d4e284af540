"""Numbers from callers, checked."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .schema.fields import is_number, json_type, range_fault, shown

MAX_DEPTH = 64
"""Axes that NumPy has at most."""


def to_array(x: object, dtype: Any, where: str) -> NDArray[Any]:
    """Real numbers of any shape as an array of a float dtype, without a copy where it is one already.

    Raises `InputError` at `where` for strings, booleans, None, ragged nesting and integers beyond 64 bits: what NumPy
    would convert after its own fashion.
    """
    try:
        a = np.asarray(x)
    except (TypeError, ValueError, OverflowError) as error:
        wrong = _wrong_item(x, where) or InputError(f"expected numbers ({error})", where=where)
        raise wrong from error
    if a.size and (a.dtype.kind not in "fiu" or (isinstance(x, (list, tuple)) and _holds_boolean(x))):
        raise _wrong_item(x, where) or InputError("expected numbers", where=where)
    with np.errstate(over="ignore"):
        return a.astype(dtype, copy=False)


def whole(value: object, where: str, minimum: float = 0, maximum: float = math.inf) -> int:
    """A whole number in `minimum … maximum`; `InputError` at `where` for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        got = shown(value) if isinstance(value, (float, np.floating)) else json_type(value)
        raise InputError(f"expected a whole number, got {got}", where=where)
    if fault := range_fault(int(value), minimum=minimum, maximum=maximum):
        raise InputError(fault, where=where)
    return int(value)


def number(
    value: object,
    where: str,
    minimum: float = -math.inf,
    maximum: float = math.inf,
    *,
    above: float = -math.inf,
) -> float:
    """A finite number in `minimum … maximum` and greater than `above`; `InputError` at `where` for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise InputError(f"expected a finite number, got {json_type(value)}", where=where)
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        raise InputError(f"expected a number that float64 can hold, got {shown(value)}", where=where)
    if not math.isfinite(value):
        raise InputError(f"expected a finite number, got {float(value)}", where=where)
    plain = value.item() if isinstance(value, np.generic) else value
    if fault := range_fault(plain, minimum=minimum, maximum=maximum, above=above):
        raise InputError(fault, where=where)
    return float(value)


def all_finite(a: NDArray[Any]) -> bool:
    """Whether all values are finite: one dot product decides, or each value if that overflows."""
    return math.isfinite(np.vdot(a, a)) or bool(np.isfinite(a).all())


def _holds_boolean(items: Sequence[Any]) -> bool:
    """Whether a boolean is among nested lists; NumPy makes 0 and 1 of those that stand among numbers."""
    kinds = set(map(type, items))
    if not kinds.isdisjoint((bool, np.bool_)):
        return True
    if kinds.isdisjoint((list, tuple)):
        return False
    return any(_holds_boolean(item) for item in items if isinstance(item, (list, tuple)))


def _wrong_item(x: object, where: str, depth: int = 0) -> InputError | None:
    """The first item of nested lists that is no number, with its index; None if they hold numbers only."""
    if isinstance(x, (list, tuple)) and depth < MAX_DEPTH:
        items = enumerate(cast(Sequence[object], x))
        return next(filter(None, (_wrong_item(item, f"{where}[{i}]", depth + 1) for i, item in items)), None)
    if depth == 0 or isinstance(x, np.ndarray) or is_number(x) or isinstance(x, np.number):
        return None
    return InputError(f"expected a number, got {json_type(x)}", where=where)
