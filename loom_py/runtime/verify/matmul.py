"""Cases of `kernels/matmul.py`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]

PRODUCTS = [
    (1, 1, 1), (1, 8, 16), (1, 37, 5), (3, 2, 7), (5, 16, 9), (16, 1, 24), (7, 300, 33), (64, 784, 128),
    (130, 70, 257), (97, 513, 101), (12, 8, 1),
]  # fmt: skip


@cases("matmul")
def matmul(n: Numbers) -> Cases:
    """M, K, N: both operands either way round, with and without bias."""
    for (m, k, w), ta, tb in product(PRODUCTS, (False, True), (False, True)):
        a, b = n.normal(*((k, m) if ta else (m, k))), n.normal(*((w, k) if tb else (k, w)))
        bias = {"bias": n.normal(w)} if (m + k + ta) % 2 else {}
        label = f"{size(m, k, w)}{'-ta' * ta}{'-tb' * tb}{'-bias' * bool(bias)}"
        yield label, {"a": a, "b": b, "transpose_a": ta, "transpose_b": tb, **bias}


@cases("mix")
def mix(n: Numbers) -> Cases:
    for b, parts, f in [(1, 1, 1), (1, 3, 8), (5, 2, 7), (70, 5, 33)]:
        yield size(b, parts, f), {"weights": n.simplex(b, parts), "parts": n.normal(b, parts, f)}


@cases("mix_grad")
def mix_grad(n: Numbers) -> Cases:
    for b, parts, f in [(1, 1, 1), (1, 3, 8), (5, 2, 7), (70, 5, 33), (3, 2, 500)]:
        operands = {"weights": n.simplex(b, parts), "parts": n.normal(b, parts, f), "g": n.normal(b, f)}
        yield size(b, parts, f), operands
