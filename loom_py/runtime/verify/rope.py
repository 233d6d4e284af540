"""Cases of `kernels/rope.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]


def frequencies(width: int) -> Any:
    return 1e4 ** (-np.arange(0, width, 2) / width)


@cases("rope", "inverse_frequencies")
def rope(n: Numbers) -> Cases:
    for shape, position in [((1, 1, 2), 0), ((3, 2, 4), 5), ((2, 5, 3, 16), 0), ((7, 3, 64), 8000)]:
        for inverse in (False, True):
            operands = {"x": n.normal(*shape), "position": position, "inverse_frequencies": frequencies(shape[-1])}
            yield f"{size(*shape)}-{position}{'-inverse' * inverse}", {**operands, "inverse": inverse}


@cases("cache_write")
def cache_write(n: Numbers) -> Cases:
    for rows, steps, heads, width, position in [(1, 1, 1, 1, 0), (9, 3, 2, 5, 6), (64, 17, 3, 64, 11)]:
        operands = {"cache": n.normal(rows, heads, width), "x": n.normal(steps, heads, width)}
        yield size(rows, steps, heads, width), {**operands, "position": position}


@cases("rope_cache", "inverse_frequencies")
def rope_cache(n: Numbers) -> Cases:
    for rows, steps, heads, kv, width, position in [(1, 1, 1, 1, 2, 0), (9, 3, 4, 2, 6, 6), (300, 17, 9, 3, 64, 280)]:
        operands = {
            "q": n.normal(steps, heads, width),
            "k": n.normal(steps, kv, width),
            "v": n.normal(steps, kv, width),
        }
        caches = {"keys": n.normal(rows, kv, width), "values": n.normal(rows, kv, width), "position": position}
        label = f"{size(rows, steps, heads, kv, width)}-{position}"
        operands |= {**caches, "inverse_frequencies": frequencies(width)}
        yield label, operands
        yield f"{label}-row", operands | {"position": position + 1000, "row": position}
