"""Activations and their derivatives, elementwise on the pre-activation `z`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..abstract import like, same
from ..erf import erf
from ..kernel import Array, kernel

SELU_ALPHA = 1.6732632423543772  # Klambauer et al. 2017
SELU_SCALE = 1.0507009873554805
SQRT_HALF = 0.7071067811865476
INV_SQRT_2PI = 0.3989422804014327
SQRT_2_OVER_PI = 0.7978845608028654
GELU_CUBIC = 0.044715


def sigmoid(z: Array) -> Array:
    """1 / (1 + e^−z) as (1 + tanh(z/2)) / 2: one call, never overflows."""
    return 0.5 * np.tanh(0.5 * z) + 0.5


def softplus(z: Array) -> Array:
    """ln(1 + e^z), written so that large z does not overflow."""
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def _softplus_tanh_grad(z: Array) -> Array:
    t = np.tanh(softplus(z))
    return t + z * (1 - t * t) * sigmoid(z)


def _gelu_tanh_inner(z: Array) -> Array:
    return np.tanh(SQRT_2_OVER_PI * (z + GELU_CUBIC * z**3))


def _gelu_tanh_grad(z: Array) -> Array:
    z = np.clip(z, -30, 30)  # beyond, the derivative is 0 or 1 to the last bit, and z³ would overflow
    t = _gelu_tanh_inner(z)
    return 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * SQRT_2_OVER_PI * (1 + 3 * GELU_CUBIC * z**2)


def _gelu_grad(z: Array) -> Array:
    return 0.5 * (1 + erf(z * SQRT_HALF)) + z * INV_SQRT_2PI * np.exp(-0.5 * z * z)


def _silu_grad(z: Array) -> Array:
    s = sigmoid(z)
    return s * (1 + z * (1 - s))


def _elu_tail(z: Array) -> Array:
    return np.expm1(np.minimum(z, 0))


def _between(z: Array, low: float, high: float) -> Array:
    return ((z > low) & (z < high)).astype(z.dtype)


def _step(z: Array) -> Array:
    return (z > 0).astype(z.dtype)


def _where(z: Array, positive: Array | float, negative: Array | float) -> Array:
    return np.where(z >= 0, positive, negative).astype(z.dtype)


def _sigmoid_grad(z: Array) -> Array:
    s = sigmoid(z)
    return s * (1 - s)


FORMULAS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    # name: (f, f′); the table of formulas for readers is in `nn.activation`
    "relu": (lambda z: np.maximum(1.1 * z, 0), lambda z: 1.1 * _step(z)),
    "sigmoid": (sigmoid, _sigmoid_grad),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "softplus": (softplus, sigmoid),
    "leaky_relu": (lambda z: _where(z, z, 0.1 * z), lambda z: _where(z, 1.0, 0.1)),
    "linear": (lambda z: z.copy(), np.ones_like),
    "plain_relu": (lambda z: np.maximum(z, 0), _step),
    "relu6": (lambda z: np.clip(z, 0, 6), lambda z: _between(z, 0, 6)),
    "gelu": (lambda z: 0.5 * z * (1 + erf(z * SQRT_HALF)), _gelu_grad),
    "gelu_tanh": (lambda z: 0.5 * z * (1 + _gelu_tanh_inner(z)), _gelu_tanh_grad),
    "silu": (lambda z: z * sigmoid(z), _silu_grad),
    "elu": (lambda z: np.maximum(z, 0) + _elu_tail(z), lambda z: _where(z, 1.0, _elu_tail(z) + 1)),
    "selu": (
        lambda z: SELU_SCALE * (np.maximum(z, 0) + SELU_ALPHA * _elu_tail(z)),
        lambda z: SELU_SCALE * _where(z, 1.0, SELU_ALPHA * (_elu_tail(z) + 1)),
    ),
    "mish": (lambda z: z * np.tanh(softplus(z)), _softplus_tanh_grad),
    "hard_sigmoid": (lambda z: np.clip(z / 6 + 0.5, 0, 1), lambda z: _between(z, -3, 3) / 6),
    "hard_swish": (
        lambda z: z * np.clip(z / 6 + 0.5, 0, 1),
        lambda z: np.where(z >= 3, 1.0, _between(z, -3, 3) * (z / 3 + 0.5)).astype(z.dtype),
    ),
    "softsign": (lambda z: z / (1 + np.abs(z)), lambda z: 1 / (1 + np.abs(z)) ** 2),
}


@kernel(shapes=like("z"))
def activate(name: str, z: Array) -> Array:
    """`f(z)` for an activation of `nn.activation`."""
    return FORMULAS[name][0](z)


@kernel(shapes=like("z"))
def activate_grad(name: str, z: Array, g: Array) -> Array:
    """`g · f′(z)`."""
    return g * FORMULAS[name][1](z)


@kernel(shapes=same("gate", "up"))
def silu_mul(gate: Array, up: Array) -> Array:
    """`gate · σ(gate) · up` (SwiGLU, Shazeer 2020)."""
    return gate * sigmoid(gate) * up


@kernel(shapes=like("gate", "up"))
def silu_mul_grad(gate: Array, up: Array, g: Array) -> tuple[Array, Array]:
    """→ (ggate, gup)."""
    return g * up * _silu_grad(gate), g * gate * sigmoid(gate)
