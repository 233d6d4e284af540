"""Losses and their gradients: every loss is a mean over all n values of `y`, whatever its shape.

Losses of tokens take ids in place of targets and are means over the rows that have one.

`y` is the output, `t` the target of the same shape. The two losses on probabilities clamp them to [ε, 1 − ε], ε = 10⁻⁷;
their gradients divide by the clamped probability but are not cut to zero beyond it, so that an output that is wrong and
saturated still learns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..enumeration import enumeration
from ..kernel import Array, Gradients, kernel
from ..ops import Ops, Tensor
from ..signature import signature
from .activation import sigmoid

EPSILON = 1e-7


def _mean(values: Array) -> Array:
    """The mean, also where the sum is no float32."""
    mean = values.mean()
    return np.asarray(mean if math.isfinite(mean) else values.mean(dtype=np.float64))


def _mse(y: Array, t: Array, _: float) -> Array:
    difference = (y - t).ravel()
    return np.asarray(np.dot(difference, difference) / difference.size)


def _mse_grad(y: Array, t: Array, _: float) -> Array:
    return (y - t) * y.dtype.type(2 / y.size)


def _mae(y: Array, t: Array, _: float) -> Array:
    return _mean(np.abs(y - t))


def _mae_grad(y: Array, t: Array, _: float) -> Array:
    return np.sign(y - t) * y.dtype.type(1 / y.size)


def _huber(y: Array, t: Array, delta: float) -> Array:
    size = np.abs(y - t)
    near = np.minimum(size, delta)
    return _mean(near * (size - 0.5 * near))


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
    return _mean(-(t * _log_softmax(z)))


def _cross_entropy_logits_grad(z: Array, t: Array, _: float) -> Array:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    e *= t.sum(axis=-1, keepdims=True) / e.sum(axis=-1, keepdims=True)
    e -= t
    e *= z.dtype.type(1 / z.size)
    return e


def _bce(p: Array, t: Array, _: float) -> Array:
    inside = np.clip(p, EPSILON, 1 - EPSILON)
    return np.asarray(-(t * np.log(inside) + (1 - t) * np.log1p(-inside)).mean())


def _bce_grad(p: Array, t: Array, _: float) -> Array:
    inside = np.clip(p, EPSILON, 1 - EPSILON)
    return (inside - t) / (inside * (1 - inside)) * p.dtype.type(1 / p.size)


def _bce_logits(z: Array, t: Array, _: float) -> Array:
    return _mean(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))


def _bce_logits_grad(z: Array, t: Array, _: float) -> Array:
    return (sigmoid(z) - t) * z.dtype.type(1 / z.size)


Formula = Callable[[Array, Array, float], Array]


@dataclass(frozen=True)
class Loss:
    """One loss: the mean and its gradient from (y, t, delta), formulas for readers, and what else is known of it.

    - `formula`, `slope`: loss and gradient of one value, n times the gradient's.
    - `targets`: the smallest and the largest target that makes sense.
    - `aliases`: other names that configurations may use.
    """

    value: Formula
    gradient: Formula
    formula: str
    slope: str
    targets: tuple[float, float] = (-np.inf, np.inf)
    aliases: tuple[str, ...] = ()


LOSSES: dict[str, Loss] = {
    "mse": Loss(_mse, _mse_grad, "(y − t)²", "2 (y − t)", aliases=("", "l2")),
    "mae": Loss(_mae, _mae_grad, "|y − t|", "sign(y − t)", aliases=("l1",)),
    "huber": Loss(_huber, _huber_grad, "e²/2 up to δ, δ (|e| − δ/2) beyond, e = y − t (Huber 1964)", "e, cut to ±δ"),
    "cross_entropy": Loss(
        _cross_entropy, _cross_entropy_grad, "−t ln y where t > 0, on probabilities", "−t / y", (0, np.inf)
    ),
    "cross_entropy_logits": Loss(
        _cross_entropy_logits,
        _cross_entropy_logits_grad,
        "−t ln softmax(y) over each sample",
        "softmax(y) Σt − t",
        (0, np.inf),
        ("cross_entropy_with_logits",),
    ),
    "bce": Loss(
        _bce,
        _bce_grad,
        "−t ln y − (1 − t) ln(1 − y), on probabilities",
        "(y − t) / (y (1 − y))",
        (0, 1),
        ("binary_cross_entropy",),
    ),
    "bce_logits": Loss(
        _bce_logits,
        _bce_logits_grad,
        "the same of σ(y)",
        "σ(y) − t",
        (0, 1),
        ("binary_cross_entropy_logits", "bce_with_logits"),
    ),
}
enumeration("loss", LOSSES)


def _loss_rule(
    ops: Ops, mean: Tensor, gmean: Tensor, /, name: str, y: Tensor, target: Tensor, delta: float
) -> Gradients:
    slope = ops.reshape(ops.loss_grad(name, y, target, delta), (-1, 1))
    return {"y": ops.reshape(ops.matmul(slope, ops.reshape(gmean, (1, 1))), y.shape)}


@kernel(shapes=signature("y * N, target * N", "", members={"name": LOSSES}, cost="64 * N"), gradient=_loss_rule)
def loss(name: str, y: Array, target: Array, delta: float = 1.0) -> Array:
    """A loss of the list below: the mean over all values, a scalar; `delta` is Huber's."""
    return LOSSES[name].value(y, target, delta)


@kernel(shapes=signature("y * N, target * N", "y", members={"name": LOSSES}, cost="64 * N"))
def loss_grad(name: str, y: Array, target: Array, delta: float = 1.0) -> Array:
    """Its gradient with respect to `y`."""
    return LOSSES[name].gradient(y, target, delta)


SMOOTHING = {"smoothing": {"minimum": 0, "below": 1}}


def _counted(logits: Array, targets: Array) -> Array:
    """Which rows have a target."""
    return (targets >= 0) & (targets < logits.shape[1])


def _token_loss_rule(
    ops: Ops, mean: Tensor, gmean: Tensor, /, logits: Tensor, targets: Tensor, smoothing: float
) -> Gradients:
    return {"logits": ops.token_loss_grad(logits, targets, gmean, smoothing)}


@kernel(
    shapes=signature("logits T V, targets:int T", "", ranges=SMOOTHING, cost="64 T V + 1000"),
    gradient=_token_loss_rule,
)
def token_loss(logits: Array, targets: Array, smoothing: float = 0.0) -> Array:
    """Cross-entropy of tokens: the mean of `ln Σ_v e^z_v − (1 − ε) z_target − ε mean_v z_v` over rows z of the logits.

    logits (T, V), targets (T,) integer ids → a scalar; ε is `smoothing` (Szegedy et al. 2016). A row whose target is no
    id, such as −100, does not count; without any row that does the loss is 0.
    """
    rows = _counted(logits, targets)
    z, ids = logits[rows], targets[rows]
    if not len(ids):
        return np.zeros((), logits.dtype)
    z = z - z.max(axis=-1, keepdims=True)
    losses = np.log(np.exp(z).sum(axis=-1)) - (1 - smoothing) * np.take_along_axis(z, ids[:, None], axis=-1)[:, 0]
    if smoothing:
        losses -= smoothing * z.mean(axis=-1)
    return np.asarray(losses.mean(dtype=np.float64), logits.dtype)


@kernel(shapes=signature("logits T V, targets:int T, g", "logits", ranges=SMOOTHING, cost="64 T V + 1000"))
def token_loss_grad(logits: Array, targets: Array, g: Array, smoothing: float = 0.0) -> Array:
    """Its gradient times the scalar g, in the rows that count: `g (softmax(z) − (1 − ε) [v = target] − ε / V) / n`."""
    rows = _counted(logits, targets)
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    e /= e.sum(axis=-1, keepdims=True)
    e -= e.dtype.type(smoothing / logits.shape[1])
    e[rows, targets[rows]] -= e.dtype.type(1 - smoothing)
    e *= g / e.dtype.type(max(1, np.count_nonzero(rows)))
    e[~rows] = 0
    return e
