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
