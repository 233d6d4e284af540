"""Cases of `kernels/activation.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..kernels.activation import ACTIVATIONS
from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]

SHAPES = [(1,), (3,), (1, 4), (5, 7), (2, 3, 16), (33, 129), (3, 9001)]


def pre_activations(n: Numbers) -> dict[str, Any]:
    """Ordinary values, tiny ones, and where functions saturate."""
    ends = np.array([0.0, 5e-8, -3e-6, 1e-4, 2.9, 6.1, -8.0, 20.0, -30.0, 60.0, -87.0, 90.0, -200.0], np.float32)
    return {
        "1": n.normal(1),
        "3x5": n.normal(3, 5),
        "wide": n.normal(4, 41, scale=4),
        "tiny": n.normal(2, 19, scale=1e-3),
        "ends": ends,
        "large": n.normal(9, 2049, scale=2),
    }


@cases("activate")
def activate(n: Numbers) -> Cases:
    for name in ACTIVATIONS:
        for label, z in pre_activations(n).items():
            yield f"{name}-{label}", {"name": name, "z": z}


@cases("activate_grad")
def activate_grad(n: Numbers) -> Cases:
    for name in ACTIVATIONS:
        for label, z in pre_activations(n).items():
            yield f"{name}-{label}", {"name": name, "z": z, "g": n.normal(*z.shape)}


@cases("silu_mul")
def silu_mul(n: Numbers) -> Cases:
    for shape in SHAPES:
        yield size(*shape), {"gate": n.normal(*shape, scale=3), "up": n.normal(*shape)}


@cases("silu_mul_grad")
def silu_mul_grad(n: Numbers) -> Cases:
    for shape in SHAPES:
        yield size(*shape), {"gate": n.normal(*shape, scale=3), "up": n.normal(*shape), "g": n.normal(*shape)}
