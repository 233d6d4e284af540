"""Cases of `kernels/experts.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..kernels import experts as k
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


@cases("route_grad")
def route_grad(n: Numbers) -> Cases:
    for rows, experts, count in [(1, 8, 2), (5, 7, 7), (70, 64, 8)]:
        for normalised in (False, True):
            logits = n.normal(rows, experts)
            ids, _ = k.route(logits, count, normalised=normalised)
            label = f"{size(rows, experts, count)}{'-normalised' * normalised}"
            yield label, {"logits": logits, "ids": ids, "g": n.normal(rows, count), "normalised": normalised}


@cases("expert_linear_grad")
def expert_linear_grad(n: Numbers) -> Cases:
    for label, operands in expert_linear(n):
        ids, weight, experts = (operands[name] for name in ("ids", "weight", "experts"))
        yield label, {**operands, "gy": n.normal(*ids.shape, len(weight) // experts)}
