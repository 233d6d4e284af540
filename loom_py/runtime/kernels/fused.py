"""Kernels that do the work of several at once: what a decoder calls most. Each is the composition of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from .activation import silu_mul
from .attention import cache_write, rope
from .linear import linear
from .norm import rms_norm
from .shape import add

Array = NDArray[Any]


def norm_linear(
    x: Array, gamma: Array, eps: float, weights: Sequence[Array], biases: Sequence[Array | None]
) -> tuple[Array, ...]:
    """`linear(rms_norm(x), weight, bias)` for each of several weights."""
    h = rms_norm(x, gamma, eps)
    return tuple(linear(h, weight, bias) for weight, bias in zip(weights, biases, strict=True))


def norm_gate_up(
    x: Array,
    gamma: Array,
    eps: float,
    gate: Array,
    up: Array,
    gate_bias: Array | None = None,
    up_bias: Array | None = None,
) -> Array:
    """`silu(linear(h, gate)) · linear(h, up)` with h = rms_norm(x)."""
    h = rms_norm(x, gamma, eps)
    return silu_mul(linear(h, gate, gate_bias), linear(h, up, up_bias))


def linear_add(x: Array, weight: Array, bias: Array | None, residual: Array) -> Array:
    """`residual + linear(x, weight, bias)`."""
    return add(residual, linear(x, weight, bias))


def rope_cache(
    q: Array, k: Array, v: Array, keys: Array, values: Array, position: int, inverse_frequencies: Array
) -> Array:
    """Rotated keys and the values go to the caches → rotated queries."""
    cache_write(keys, rope(k, position, inverse_frequencies), position)
    cache_write(values, v, position)
    return rope(q, position, inverse_frequencies)
