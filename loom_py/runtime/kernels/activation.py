"""Activations and their derivatives, elementwise on the pre-activation `z`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..enumeration import enumeration
from ..erf import erf
from ..kernel import Array, Gradients, kernel
from ..ops import Ops, Tensor
from ..signature import signature

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


@dataclass(frozen=True)
class Activation:
    """One activation: f, its derivative, the formula for readers, and other names that configurations may use."""

    f: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    formula: str
    aliases: tuple[str, ...] = ()


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(
        lambda z: np.maximum(1.1 * z, 0),
        lambda z: 1.1 * _step(z),
        "max(0, 1.1 z), LOOM's scaled ReLU",
        ("scaled_relu",),
    ),
    "sigmoid": Activation(sigmoid, _sigmoid_grad, "1 / (1 + e^−z)", ("logistic",)),
    "tanh": Activation(np.tanh, lambda z: 1 - np.tanh(z) ** 2, "tanh z"),
    "softplus": Activation(softplus, sigmoid, "ln(1 + e^z)"),
    "leaky_relu": Activation(lambda z: _where(z, z, 0.1 * z), lambda z: _where(z, 1.0, 0.1), "z if z ≥ 0 else 0.1 z"),
    "linear": Activation(lambda z: z.copy(), np.ones_like, "z", ("identity", "none")),
    "plain_relu": Activation(lambda z: np.maximum(z, 0), _step, "max(0, z)"),
    "relu6": Activation(lambda z: np.clip(z, 0, 6), lambda z: _between(z, 0, 6), "min(max(0, z), 6)"),
    "gelu": Activation(lambda z: 0.5 * z * (1 + erf(z * SQRT_HALF)), _gelu_grad, "z Φ(z), Φ by erf"),
    "gelu_tanh": Activation(
        lambda z: 0.5 * z * (1 + _gelu_tanh_inner(z)),
        _gelu_tanh_grad,
        "z (1 + tanh(√(2/π) (z + 0.044715 z³))) / 2",
        ("gelu_new",),
    ),
    "silu": Activation(lambda z: z * sigmoid(z), _silu_grad, "z σ(z)", ("swish",)),
    "elu": Activation(
        lambda z: np.maximum(z, 0) + _elu_tail(z),
        lambda z: _where(z, 1.0, _elu_tail(z) + 1),
        "z if z ≥ 0 else e^z − 1",
    ),
    "selu": Activation(
        lambda z: SELU_SCALE * (np.maximum(z, 0) + SELU_ALPHA * _elu_tail(z)),
        lambda z: SELU_SCALE * _where(z, 1.0, SELU_ALPHA * (_elu_tail(z) + 1)),
        "λ (z if z ≥ 0 else α (e^z − 1)) (Klambauer et al. 2017)",
    ),
    "mish": Activation(lambda z: z * np.tanh(softplus(z)), _softplus_tanh_grad, "z tanh(softplus z)"),
    "hard_sigmoid": Activation(
        lambda z: np.clip(z / 6 + 0.5, 0, 1), lambda z: _between(z, -3, 3) / 6, "min(max(0, z/6 + 1/2), 1)"
    ),
    "hard_swish": Activation(
        lambda z: z * np.clip(z / 6 + 0.5, 0, 1),
        lambda z: np.where(z >= 3, 1.0, _between(z, -3, 3) * (z / 3 + 0.5)).astype(z.dtype),
        "z hard_sigmoid(z)",
    ),
    "softsign": Activation(lambda z: z / (1 + np.abs(z)), lambda z: 1 / (1 + np.abs(z)) ** 2, "z / (1 + |z|)"),
    "hard_tanh": Activation(lambda z: np.clip(z, -1, 1), lambda z: _between(z, -1, 1), "min(max(−1, z), 1)"),
}
"""Name → activation. Configurations know them by their place too, so new ones go to the end."""
enumeration("activation", ACTIVATIONS)


def _activate_rule(ops: Ops, y: Tensor, gy: Tensor, /, name: str, z: Tensor) -> Gradients:
    return {"z": ops.activate_grad(name, z, gy)}


@kernel(shapes=signature("z *", "z", members={"name": ACTIVATIONS}, cost="128 *"), gradient=_activate_rule)
def activate(name: str, z: Array) -> Array:
    """`f(z)` for an activation of the list below."""
    return ACTIVATIONS[name].f(z)


@kernel(shapes=signature("z *, g *", "z", members={"name": ACTIVATIONS}, cost="128 *"))
def activate_grad(name: str, z: Array, g: Array) -> Array:
    """`g · f′(z)`."""
    return g * ACTIVATIONS[name].derivative(z)


def _silu_mul_rule(ops: Ops, y: Tensor, gy: Tensor, /, gate: Tensor, up: Tensor) -> Gradients:
    ggate, gup = ops.silu_mul_grad(gate, up, gy)
    return {"gate": ggate, "up": gup}


@kernel(shapes=signature("gate *, up *", "gate", cost="128 *"), gradient=_silu_mul_rule)
def silu_mul(gate: Array, up: Array) -> Array:
    """`gate · σ(gate) · up` (SwiGLU, Shazeer 2020)."""
    return gate * sigmoid(gate) * up


@kernel(shapes=signature("gate *, up *, g *", "gate", "up", cost="128 *"))
def silu_mul_grad(gate: Array, up: Array, g: Array) -> tuple[Array, Array]:
    """→ (ggate, gup)."""
    return g * up * _silu_grad(gate), g * gate * sigmoid(gate)
