"""Cases of `kernels/optimiser.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]

WEIGHTS = [(1,), (3,), (8, 16), (33, 129), (5, 7001)]


@cases("clip_by_norm")
def clip_by_norm(n: Numbers) -> Cases:
    for count in (1, 2, 5):
        for limit in (0.5, 1e6, float("inf")):
            grads = [n.normal(*shape) for shape in WEIGHTS[-count:]]
            yield f"{count}-{limit:g}", {"grads": grads, "max_norm": limit}
    yield "zeros", {"grads": [np.zeros(3, np.float32)], "max_norm": 1.0}
    for scale in (1e20, 1e30, 1e-16, 1e-20, 1e-30):  # their squares are no float32
        yield f"{scale:g}", {"grads": [n.normal(*shape, scale=scale) for shape in WEIGHTS], "max_norm": scale / 8}
    mixed = [n.normal(33, scale=scale) for scale in (1e-16, 1.0, 1e16)]
    yield "mixed", {"grads": mixed, "max_norm": 1.0}


@cases("clip_by_value")
def clip_by_value(n: Numbers) -> Cases:
    for count in (1, 5):
        yield str(count), {"grads": [n.normal(*shape) for shape in WEIGHTS[-count:]], "limit": 0.4}


@cases("sgd_step")
def sgd_step(n: Numbers) -> Cases:
    for shape in WEIGHTS:
        yield size(*shape), {"w": n.normal(*shape), "g": n.normal(*shape), "learning_rate": 0.1}


@cases("sgd_momentum_step")
def sgd_momentum_step(n: Numbers) -> Cases:
    for shape in WEIGHTS:
        for nesterov in (False, True):
            tensors = {"w": n.normal(*shape), "g": n.normal(*shape), "velocity": n.normal(*shape)}
            numbers = {"learning_rate": 0.1, "momentum": 0.9, "dampening": 0.0 if nesterov else 0.2}
            yield f"{size(*shape)}{'-nesterov' * nesterov}", {**tensors, **numbers, "nesterov": nesterov}


@cases("adamw_step")
def adamw_step(n: Numbers) -> Cases:
    for shape, step, decay in zip(WEIGHTS, (1, 2, 10, 1000, 123456), (0.0, 0.1, 0.01, 0.0, 0.1), strict=True):
        tensors = {"w": n.normal(*shape), "g": n.normal(*shape), "m": n.normal(*shape), "v": n.positive(*shape)}
        numbers = {"learning_rate": 0.01, "step": step, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
        yield size(*shape), {**tensors, **numbers, "weight_decay": decay}
    start = {"w": n.normal(40), "g": n.normal(40), "m": np.zeros(40, np.float32), "v": np.zeros(40, np.float32)}
    numbers = {"learning_rate": 0.01, "step": 1, "beta1": 0.99, "beta2": 0.9999, "epsilon": 1e-8, "weight_decay": 0.0}
    yield "start", {**start, **numbers}


@cases("rmsprop_step")
def rmsprop_step(n: Numbers) -> Cases:
    for shape in WEIGHTS:
        for momentum in (0.0, 0.5):
            tensors = {"w": n.normal(*shape), "g": n.normal(*shape), "v": n.positive(*shape)}
            tensors["buffer"] = n.normal(*shape) if momentum else None
            numbers = {"learning_rate": 0.01, "alpha": 0.9, "epsilon": 1e-6, "momentum": momentum}
            yield f"{size(*shape)}{'-momentum' * bool(momentum)}", {**tensors, **numbers}
    start = {"w": n.normal(40), "g": n.normal(40), "v": np.zeros(40, np.float32), "buffer": None}
    yield "start", {**start, "learning_rate": 0.01, "alpha": 0.9999, "epsilon": 1e-6, "momentum": 0.0}
