"""Losses, clipping, optimiser steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..kernels.loss import FORMULAS
from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]
SHAPES = [(1, 1), (1, 2), (3, 5), (2, 4, 7), (64, 10), (37, 1001)]
WEIGHTS = [(1,), (3,), (8, 16), (33, 129), (5, 7001)]


def outputs(n: Numbers, name: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """An output and a target that suit a loss."""
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
    for name in FORMULAS:
        for shape in SHAPES[name.startswith("cross_entropy") :]:
            yield f"{name}-{size(*shape)}", {"name": name, **outputs(n, name, shape), "delta": 0.7}


@cases("loss_grad")
def loss_grad(n: Numbers) -> Cases:
    for name in FORMULAS:
        for shape in SHAPES[name.startswith("cross_entropy") :]:
            yield f"{name}-{size(*shape)}", {"name": name, **outputs(n, name, shape), "delta": 0.7}


@cases("accumulate")
def accumulate(n: Numbers) -> Cases:
    for shape in WEIGHTS:
        yield size(*shape), {"total": n.normal(*shape), "g": n.normal(*shape), "factor": 0.3}


@cases("clip_by_norm")
def clip_by_norm(n: Numbers) -> Cases:
    for count in (1, 2, 5):
        for limit in (0.5, 1e6, float("inf")):
            grads = [n.normal(*shape) for shape in WEIGHTS[-count:]]
            yield f"{count}-{limit:g}", {"grads": grads, "max_norm": limit}
    yield "zeros", {"grads": [np.zeros(3, np.float32)], "max_norm": 1.0}


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


@cases("rmsprop_step")
def rmsprop_step(n: Numbers) -> Cases:
    for shape in WEIGHTS:
        for momentum in (0.0, 0.5):
            tensors = {"w": n.normal(*shape), "g": n.normal(*shape), "v": n.positive(*shape)}
            tensors["buffer"] = n.normal(*shape) if momentum else None
            numbers = {"learning_rate": 0.01, "alpha": 0.9, "epsilon": 1e-6, "momentum": momentum}
            yield f"{size(*shape)}{'-momentum' * bool(momentum)}", {**tensors, **numbers}
