"""Cases of `kernels/norm.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]

NORMS = [(1, 1), (1, 16), (3, 5), (2, 3, 33), (70, 12), (5, 1030), (1500, 40)]
LARGE = 1e28
"""Squares of such numbers are no float32."""


@cases("rms_norm")
def rms_norm(n: Numbers) -> Cases:
    for shape in NORMS:
        yield size(*shape), {"x": n.normal(*shape), "gamma": n.normal(shape[-1]), "eps": 1e-5}
    yield "large", {"x": n.normal(4, 150, scale=LARGE), "gamma": n.normal(150), "eps": 1e-5}


@cases("rms_norm_grad")
def rms_norm_grad(n: Numbers) -> Cases:
    for shape in NORMS:
        operands = {"x": n.normal(*shape), "gamma": n.normal(shape[-1]), "eps": 1e-2, "gy": n.normal(*shape)}
        yield size(*shape), operands
    yield "large", {"x": n.normal(4, 150, scale=LARGE), "gamma": n.normal(150), "eps": 1e-2, "gy": n.normal(4, 150)}


@cases("layer_norm")
def layer_norm(n: Numbers) -> Cases:
    for shape in NORMS[1:]:
        x = n.normal(*shape) + np.float32(2)
        yield size(*shape), {"x": x, "gamma": n.normal(shape[-1]), "beta": n.normal(shape[-1]), "eps": 1e-5}
    operands = {"x": n.normal(4, 150, scale=LARGE), "gamma": n.normal(150), "beta": n.normal(150), "eps": 1e-5}
    yield "large", operands


@cases("layer_norm_grad")
def layer_norm_grad(n: Numbers) -> Cases:
    for shape in NORMS[1:]:
        x = n.normal(*shape) + np.float32(2)
        yield size(*shape), {"x": x, "gamma": n.normal(shape[-1]), "eps": 1e-2, "gy": n.normal(*shape)}
    yield "large", {"x": n.normal(4, 150, scale=LARGE), "gamma": n.normal(150), "eps": 1e-2, "gy": n.normal(4, 150)}
