"""Optimisers written down a second time, in float64 and one parameter at a time, straight from their papers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def sgd(w: Array, grads: list[Array], lrs: list[float], momentum: float, dampening: float, nesterov: bool) -> Array:
    velocity: Any = 0.0
    for g, lr in zip(grads, lrs, strict=True):
        velocity = momentum * velocity + (1 - dampening) * g
        w = w - lr * (g + momentum * velocity if nesterov else velocity)
    return w


def adamw(w: Array, grads: list[Array], lrs: list[float], b1: float, b2: float, eps: float, decay: float) -> Array:
    first: Any = 0.0
    second: Any = 0.0
    for t, (g, lr) in enumerate(zip(grads, lrs, strict=True), 1):
        first = b1 * first + (1 - b1) * g
        second = b2 * second + (1 - b2) * g**2
        unbiased = (first / (1 - b1**t)) / (np.sqrt(second / (1 - b2**t)) + eps)
        w = w - lr * (unbiased + (decay * w if w.ndim > 1 else 0))
    return w


def rmsprop(w: Array, grads: list[Array], lrs: list[float], alpha: float, eps: float, momentum: float) -> Array:
    square: Any = 0.0
    buffer: Any = 0.0
    for g, lr in zip(grads, lrs, strict=True):
        square = alpha * square + (1 - alpha) * g**2
        buffer = momentum * buffer + g / np.sqrt(square + eps)
        w = w - lr * buffer
    return w
