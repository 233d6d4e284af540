"""Cases of `kernels/reduction.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]


@cases("sum")
def sum_(n: Numbers) -> Cases:
    for shape, axis in [
        ((1, 8), 0),
        ((64, 10), 0),
        ((3, 5), 1),
        ((2, 9, 7), 1),
        ((1,), 0),
        ((700, 131), 0),
        ((6, 1), 1),
    ]:
        yield f"{size(*shape)}-{axis}", {"x": n.normal(*shape), "axis": axis}
