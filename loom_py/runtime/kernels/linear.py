"""Products with weights in any storage, alone and together with what a decoder does before and after them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from .activation import silu_mul
from .norm import rms_norm

Array = NDArray[Any]


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """`x @ weightᵀ + bias`; both operands stream along their last axis.

    A single row is a matrix–vector product, for which BLAS reads the weight once in storage order.
    """
    y = (weight @ x.reshape(-1)).reshape(*x.shape[:-1], weight.shape[0]) if x.size == x.shape[-1] else x @ weight.T
    if bias is not None:
        y += bias
    return y


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
    return residual + linear(x, weight, bias)
