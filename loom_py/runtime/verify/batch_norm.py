"""Cases of `kernels/batch_norm.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]

SHAPES = [(2, 1, 1), (3, 5, 1), (64, 33, 1), (1, 2, 3), (4, 3, 49), (5, 17, 64)]


def _channels(n: Numbers, channels: int) -> dict[str, Any]:
    mean, variance = n.normal(channels), np.abs(n.normal(channels)) + np.float32(0.1)
    return {"mean": mean, "variance": variance, "gamma": n.normal(channels)}


@cases("batch_statistics")
def batch_statistics(n: Numbers) -> Cases:
    for shape in SHAPES:
        yield size(*shape), {"x": n.normal(*shape) + np.float32(2)}


@cases("batch_norm")
def batch_norm(n: Numbers) -> Cases:
    for shape in SHAPES:
        yield size(*shape), {"x": n.normal(*shape), **_channels(n, shape[1]), "beta": n.normal(shape[1]), "eps": 1e-5}


@cases("batch_norm_grad")
def batch_norm_grad(n: Numbers) -> Cases:
    for shape in SHAPES:
        for own in (False, True):
            operands = {"x": n.normal(*shape), **_channels(n, shape[1]), "eps": 1e-3, "gy": n.normal(*shape)}
            yield f"{size(*shape)}{', own' * own}", {**operands, "own": own}
