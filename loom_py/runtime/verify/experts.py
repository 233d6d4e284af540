"""Cases of `kernels/experts.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]


@cases("route")
def route(n: Numbers) -> Cases:
    for rows, experts, count in [(1, 1, 1), (1, 8, 2), (5, 7, 7), (70, 64, 8)]:
        for normalised in (False, True):
            label = f"{size(rows, experts, count)}{'-normalised' * normalised}"
            yield label, {"logits": n.normal(rows, experts), "count": count, "normalised": normalised}


@cases("expert_linear")
def expert_linear(n: Numbers) -> Cases:
    for rows, count, experts, inputs, outputs in [
        (1, 1, 1, 8, 1),
        (1, 2, 8, 64, 24),
        (3, 2, 5, 24, 33),
        (40, 4, 6, 96, 70),
        (300, 2, 4, 16, 9),
    ]:
        for parts in {1, count}:
            operands = {"x": n.normal(rows, parts, inputs), "ids": n.integers(experts, rows, count)}
            label = f"{size(rows, count, experts, inputs, outputs)}-{parts}"
            yield label, {**operands, "weight": n.normal(experts * outputs, inputs), "experts": experts}
