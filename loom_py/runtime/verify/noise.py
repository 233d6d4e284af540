"""Cases of `kernels/noise.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]


@cases("gumbel")
def gumbel(n: Numbers) -> Cases:
    for shape, seed, step in [((1,), 0, 0), ((2, 3), 7, 1), ((5, 1001), 2**33 + 5, 12345), ((40, 9), 1, 2**31)]:
        yield size(*shape), {"shape": shape, "seed": seed, "step": step, "like": n.normal(1)}


@cases("dropout")
def dropout(n: Numbers) -> Cases:
    for shape, rate, seed, step in [((1,), 0.5, 0, 0), ((3, 7), 0.1, 7, 1), ((5, 1001), 0.9, 2**33 + 5, 2**31)]:
        yield size(*shape), {"x": n.normal(*shape), "rate": rate, "seed": seed, "step": step}
