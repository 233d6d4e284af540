"""Cases of `kernels/elementwise.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]

SHAPES = [(1,), (3,), (1, 4), (5, 7), (2, 3, 16), (33, 129), (3, 9001)]
WEIGHTS = [(1,), (3,), (8, 16), (33, 129), (5, 7001)]


@cases("add")
def add(n: Numbers) -> Cases:
    for shape in SHAPES:
        yield size(*shape), {"a": n.normal(*shape), "b": n.normal(*shape)}


@cases("mul")
def mul(n: Numbers) -> Cases:
    for shape in SHAPES:
        yield size(*shape), {"a": n.normal(*shape), "b": n.normal(*shape)}


@cases("scale")
def scale(n: Numbers) -> Cases:
    for shape, factor in zip(SHAPES, (0.0, -1.5, 1 / 3, 7.0, 1e-8, 1e8, 0.1), strict=True):
        yield size(*shape), {"x": n.normal(*shape), "factor": factor}


@cases("accumulate")
def accumulate(n: Numbers) -> Cases:
    for shape in WEIGHTS:
        yield size(*shape), {"total": n.normal(*shape), "g": n.normal(*shape), "factor": 0.3}
