"""Cases of `kernels/shape.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]

SHAPES = [(1,), (3,), (1, 4), (5, 7), (2, 3, 16), (33, 129), (3, 9001)]


@cases("reshape")
def reshape(n: Numbers) -> Cases:
    yield "flat", {"x": n.normal(3, 4, 5), "shape": (60,)}
    yield "split", {"x": n.normal(6), "shape": (2, 3)}


@cases("zeros")
def zeros(n: Numbers) -> Cases:
    for shape in SHAPES:
        yield size(*shape), {"shape": shape, "like": n.normal(1)}


@cases("concat")
def concat(n: Numbers) -> Cases:
    for shape, axis, lengths in [
        *(((1, 1), 1, (8, 8, 8)), ((1, 1), 1, (1,)), ((4, 1), 1, (1, 3, 2))),
        *(((2, 1, 3), 1, (2, 5)), ((1, 7), 0, (3, 1)), ((2, 5, 1), 2, (33, 4, 6))),
    ]:
        parts = [n.normal(*(length if i == axis else s for i, s in enumerate(shape))) for length in lengths]
        yield f"{size(*shape)}-{axis}-{size(*lengths)}", {"parts": parts, "axis": axis}


@cases("narrow")
def narrow(n: Numbers) -> Cases:
    for shape, axis, start, length in [
        *(((1, 24), 1, 8, 8), ((5, 7), 1, 2, 3), ((5, 7), 0, 4, 1)),
        *(((2, 9, 3), 1, 1, 5), ((40, 130), 1, 1, 128), ((6,), 0, 0, 6)),
    ]:
        yield f"{size(*shape)}-{axis}", {"x": n.normal(*shape), "axis": axis, "start": start, "length": length}


@cases("pad")
def pad(n: Numbers) -> Cases:
    for shape, axis, length in [((1, 3), 1, 8), ((4, 3), 1, 5), ((2, 3, 5), 1, 7), ((3, 4), 0, 4), ((1,), 0, 9)]:
        yield f"{size(*shape)}-{axis}-{length}", {"x": n.normal(*shape), "axis": axis, "length": length}


@cases("assign")
def assign(n: Numbers) -> Cases:
    for shape in SHAPES:
        yield size(*shape), {"state": n.normal(*shape), "x": n.normal(*shape)}
