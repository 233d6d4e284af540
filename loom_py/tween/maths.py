"""Small functions that the rules share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..nn.layer import Array, Layer
from ..nn.options import options
from ..values import all_finite
from .config import TweenConfig

LIMIT = 10.0
"""Largest absolute value of a chain gradient."""


def safe(a: Any, limit: float) -> Any:
    """Cut to ±limit; NaN and infinities become 0."""
    a = np.asarray(a)
    cut = np.minimum(np.maximum(a, -limit), limit)  # keeps NaN
    return cut if all_finite(a) else np.where(np.isfinite(a), cut, 0).astype(a.dtype)


def move(w: Array, delta: Any) -> None:
    """*In place* `w ← w + delta`, where that is finite."""
    moved = w + delta
    if all_finite(moved):
        w[...] = moved
    else:
        np.copyto(w, moved, where=np.isfinite(moved))


def depth_scale(config: TweenConfig, depth: int) -> float:
    """s = min(100, f^d′) for a layer d places from the last; d′ = d up to 10, then 10 + ln(d − 9)."""
    if depth <= 0:
        return 1.0
    grown = depth if depth <= 10 else 10 + math.log(depth - 9)
    return min(100.0, config.depth_scale_factor**grown)


def derivative(config: TweenConfig, activation: str, y: Array) -> Array:
    """f′ estimated from the output y = f(z); 1 for activations that the original lacks."""
    c = config
    if activation == "relu":
        return np.where(y > 0, c.relu_slope, 0.0).astype(y.dtype)
    if activation == "sigmoid":
        return y * (1 - y) + y.dtype.type(c.derivative_epsilon)
    if activation == "tanh":
        return (1 - y * y) + y.dtype.type(c.derivative_epsilon)
    if activation == "softplus":
        return 1 / (1 + np.exp(-y)) + y.dtype.type(c.derivative_epsilon)
    if activation == "leaky_relu":
        return np.where(y >= 0, 1.0, c.leaky_relu_slope).astype(y.dtype)
    return np.ones_like(y)


def clamp(config: TweenConfig, layer: Layer, a: Array, low: float | None = None) -> Array:
    """Targets of what goes into `layer`, kept in the range of its activation; `low` replaces ReLU's lower limit.

    Layers without an activation count as ReLU, the original's default.
    """
    c, name = config, layer.activation if options(type(layer))["activation"].used else "relu"
    if name == "tanh":
        return np.clip(a, c.tanh_clamp_min, c.tanh_clamp_max)
    if name == "sigmoid":
        return np.clip(a, c.sigmoid_clamp_min, c.sigmoid_clamp_max)
    if name in ("relu", "leaky_relu"):
        return np.clip(a, -c.relu_clamp_max if low is None else low, c.relu_clamp_max)
    return a


def fit(a: Array, size: int) -> Array:
    """`a` cut or zero-padded to `size` values."""
    return a[:size] if a.size >= size else np.concatenate([a, np.zeros(size - a.size, a.dtype)])


def as_rows(w: Array, rows: int, width: int) -> Array:
    """The numbers of `w`, of any shape, as `rows` rows of `width`: cut or zero-padded."""
    return fit(w.reshape(-1), rows * width).reshape(rows, width)


def add_rows(w: Array, delta: Array) -> None:
    """*In place*: add the numbers of `delta` to those of `w` in order, up to the shorter length."""
    numbers = delta.reshape(-1)[: w.size]
    if w.flags.c_contiguous:
        move(w.reshape(-1)[: numbers.size], numbers)  # a view is many times faster than `flat`
        return
    before = w.flat[: numbers.size]
    moved = before + numbers
    w.flat[: numbers.size] = np.where(np.isfinite(moved), moved, before)


def fold(a: Array, size: int) -> Array:
    """Sums of the values that share an index modulo `size`."""
    return fit(a, -(-a.size // size) * size).reshape(-1, size).sum(axis=0)
