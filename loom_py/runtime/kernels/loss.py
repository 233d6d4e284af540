"""Losses and their gradients: every loss is a mean over all n values of `y`, whatever its shape.

`y` is the output, `t` the target of the same shape. The two losses on probabilities clamp them to [ε, 1 − ε], ε = 10⁻⁷;
their gradients divide by the clamped probability but are not cut to zero beyond it, so that an output that is wrong and
saturated still learns.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..abstract import alike, like
from ..kernel import Array, kernel
from .activation import sigmoid

EPSILON = 1e-7


def _mse(y: Array, t: Array, _: float) -> Array:
    difference = (y - t).ravel()
    return np.asarray(np.dot(difference, difference) / difference.size)


def _mse_grad(y: Array, t: Array, _: float) -> Array:
    return (y - t) * y.dtype.type(2 / y.size)


def _mae(y: Array, t: Array, _: float) -> Array:
    return np.asarray(np.abs(y - t).mean())


def _mae_grad(y: Array, t: Array, _: float) -> Array:
    return np.sign(y - t) * y.dtype.type(1 / y.size)


def _huber(y: Array, t: Array, delta: float) -> Array:
    size = np.abs(y - t)
    near = np.minimum(size, delta)
    return np.asarray((near * (size - 0.5 * near)).mean())


def _huber_grad(y: Array, t: Array, delta: float) -> Array:
    return np.clip(y - t, -delta, delta) * y.dtype.type(1 / y.size)


def _cross_entropy(p: Array, t: Array, _: float) -> Array:
    return np.asarray(-(np.maximum(t, 0) * np.log(np.clip(p, EPSILON, 1 - EPSILON))).mean())


def _cross_entropy_grad(p: Array, t: Array, _: float) -> Array:
    return np.maximum(t, 0) / np.maximum(p, EPSILON) * p.dtype.type(-1 / p.size)


def _log_softmax(z: Array) -> Array:
    shifted = z - z.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _cross_entropy_logits(z: Array, t: Array, _: float) -> Array:
    return np.asarray(-(t * _log_softmax(z)).mean())


def _cross_entropy_logits_grad(z: Array, t: Array, _: float) -> Array:
    return (np.exp(_log_softmax(z)) * t.sum(axis=-1, keepdims=True) - t) * z.dtype.type(1 / z.size)


def _bce(p: Array, t: Array, _: float) -> Array:
    inside = np.clip(p, EPSILON, 1 - EPSILON)
    return np.asarray(-(t * np.log(inside) + (1 - t) * np.log1p(-inside)).mean())


def _bce_grad(p: Array, t: Array, _: float) -> Array:
    inside = np.clip(p, EPSILON, 1 - EPSILON)
    return (inside - t) / (inside * (1 - inside)) * p.dtype.type(1 / p.size)


def _bce_logits(z: Array, t: Array, _: float) -> Array:
    return np.asarray((np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z)))).mean())


def _bce_logits_grad(z: Array, t: Array, _: float) -> Array:
    return (sigmoid(z) - t) * z.dtype.type(1 / z.size)


Formula = Callable[[Array, Array, float], Array]
FORMULAS: dict[str, tuple[Formula, Formula]] = {
    # name: (loss, its gradient); the table of formulas for readers is in `training.losses`
    "mse": (_mse, _mse_grad),
    "mae": (_mae, _mae_grad),
    "huber": (_huber, _huber_grad),
    "cross_entropy": (_cross_entropy, _cross_entropy_grad),
    "cross_entropy_logits": (_cross_entropy_logits, _cross_entropy_logits_grad),
    "bce": (_bce, _bce_grad),
    "bce_logits": (_bce_logits, _bce_logits_grad),
}


@kernel(shapes=lambda y, **_: alike(y, ()))
def loss(name: str, y: Array, target: Array, delta: float = 1.0) -> Array:
    """A loss of `training.losses`: the mean over all values, a scalar; `delta` is Huber's."""
    return FORMULAS[name][0](y, target, delta)


@kernel(shapes=like("y"))
def loss_grad(name: str, y: Array, target: Array, delta: float = 1.0) -> Array:
    """Its gradient with respect to `y`."""
    return FORMULAS[name][1](y, target, delta)
