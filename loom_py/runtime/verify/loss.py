"""Cases of `kernels/loss.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..kernels.loss import LOSSES
from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]

SHAPES = [(1, 1), (1, 2), (3, 5), (2, 4, 7), (64, 10), (37, 1001)]


def outputs(n: Numbers, name: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """A valid output and target for a loss."""
    rows, width = int(np.prod(shape[:-1])), shape[-1]
    match name:
        case "cross_entropy":
            return {"y": n.simplex(*shape), "target": n.one_hot(rows, width).reshape(shape)}
        case "cross_entropy_logits":
            return {"y": n.normal(*shape, scale=3), "target": n.simplex(*shape)}
        case "bce":
            return {"y": n.uniform(*shape, low=0.01, high=0.99), "target": n.flags(*shape).astype(np.float32)}
        case "bce_logits":
            return {"y": n.normal(*shape, scale=4), "target": n.uniform(*shape)}
        case _:
            return {"y": n.normal(*shape, scale=2), "target": n.normal(*shape)}


@cases("loss")
def loss(n: Numbers) -> Cases:
    for name in LOSSES:
        for shape in SHAPES[name.startswith("cross_entropy") :]:
            yield f"{name}-{size(*shape)}", {"name": name, **outputs(n, name, shape), "delta": 0.7}


@cases("loss_grad")
def loss_grad(n: Numbers) -> Cases:
    for name in LOSSES:
        for shape in SHAPES[name.startswith("cross_entropy") :]:
            yield f"{name}-{size(*shape)}", {"name": name, **outputs(n, name, shape), "delta": 0.7}


TOKENS = [(1, 1), (1, 2), (3, 5), (70, 10), (37, 1001), (2, 5003)]


def token_targets(n: Numbers) -> Iterator[tuple[str, dict[str, Any]]]:
    """Some rows without a target, also all of them."""
    for i, (rows, width) in enumerate(TOKENS):
        targets = n.integers(width, rows)
        targets[1::3] = (-100, width)[i % 2]
        operands = {"logits": n.normal(rows, width, scale=3) + np.float32(50 * (i % 2)), "targets": targets}
        yield size(rows, width), operands
        yield f"{size(rows, width)}-smooth", {**operands, "smoothing": 0.1}
    yield "none", {"logits": n.normal(3, 4), "targets": np.full(3, -100)}


@cases("token_loss")
def token_loss(n: Numbers) -> Cases:
    yield from token_targets(n)


@cases("token_loss_grad")
def token_loss_grad(n: Numbers) -> Cases:
    for label, operands in token_targets(n):
        yield label, {**operands, "g": np.asarray(n.normal())}
