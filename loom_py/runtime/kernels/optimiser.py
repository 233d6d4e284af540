"""Gradient clipping and parameter updates, in place. Optimiser state comes in as tensors that start at zero.

An update has the parameters `w`, `g`, then its state tensors (*slots*), then numbers. Devices derive its instruction
from that: in C it gets the tensors in chunks and a slot for every number in order; in WGSL the entry point of its name
has the tensors and the numbers by name.
"""

# Derived numbers are lambdas, whose parameters no annotation can reach.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from ..abstract import Abstract, misfit
from ..kernel import Array, kernel
from ..signature import signature


@dataclass(frozen=True)
class Update:
    """How an optimiser's kernel is called.

    - `slots`: its state tensors, at most two; those in `optional` may be None.
    - `numbers`: the others of its parameters, in order.
    - `derived`: numbers that a shader could not compute precisely enough: name → function of some of the `numbers`, at
      most one of them dynamic, by name, in float64.
    """

    slots: tuple[str, ...]
    optional: tuple[str, ...]
    numbers: tuple[str, ...]
    derived: Mapping[str, Callable[..., float]]


UPDATES: dict[str, Update] = {}
"""Kernel → how it is called."""
MOST_SLOTS = 2  # as `Chunk` in simd/optimiser.c
SMALLEST_NORMAL = 2.0**-126
PRECISE = 1e-30
"""A sum of squares above this has lost nothing that matters to squares below float32's normal numbers."""
Function = TypeVar("Function", bound=Callable[..., None])


def update(
    *,
    dynamic: tuple[str, ...],
    derived: Mapping[str, Callable[..., float]] = MappingProxyType({}),
    ranges: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
) -> Callable[[Function], Function]:
    """Declare a function as an optimiser's kernel."""

    def declare(function: Function) -> Function:
        hints = {name: str(p.annotation) for name, p in inspect.signature(function).parameters.items()}
        slots = tuple(name for name, hint in hints.items() if hint.startswith("Array") and name not in ("w", "g"))
        optional = tuple(name for name in slots if hints[name].endswith("None"))
        if [*hints][: 2 + len(slots)] != ["w", "g", *slots] or len(slots) > MOST_SLOTS:
            raise TypeError(f"{function.__name__} must take w, g, at most {MOST_SLOTS} slots, then numbers")
        UPDATES[function.__name__] = Update(slots, optional, tuple(hints)[2 + len(slots) :], derived)
        operands = ", ".join(f"{name} *" for name in ("w", "g", *slots))
        shapes = signature(operands, ranges=ranges, cost="256 *")
        return kernel(shapes=shapes, in_place=("w", *slots), dynamic=dynamic)(function)

    return declare


def _norm(max_norm: float, **_: object) -> Abstract:
    if not max_norm >= 0:  # infinity only measures
        raise misfit(f"max_norm: {max_norm} must be at least 0")
    return Abstract((), np.dtype(np.float64))


@kernel(shapes=signature("grads *", rule=_norm, cost="64 grads"), in_place=("grads",))
def clip_by_norm(grads: Sequence[Array], max_norm: float) -> Array:
    """`g ← g · min(1, max_norm / ‖grads‖₂)`, one norm of all (Pascanu et al. 2013) → the norm before."""
    # Squares neither overflow nor vanish; a device without float64 counts subnormal gradients as 0.
    total = sum([float(np.vdot(g, g)) for g in grads])
    norm = math.sqrt(total) if PRECISE < total < math.inf or math.isnan(total) else _scaled_norm(grads)
    if norm > max_norm:
        factor = max_norm / norm
        first = 2.0**-100 if factor < SMALLEST_NORMAL else 1.0  # the factor itself may be too small for float32
        for g in grads:
            if first != 1:
                g *= g.dtype.type(first)
            g *= g.dtype.type(factor / first)
    return np.asarray(norm)


def _scaled_norm(grads: Sequence[Array]) -> float:
    """‖grads‖₂ measured in units of the largest value, where squares overflow or are lost."""
    unit = max((float(np.abs(g).max(initial=0)) for g in grads), default=0.0)
    if not 0 < unit < math.inf:
        return unit
    return unit * math.sqrt(sum(float(np.square(g / np.float64(unit)).sum()) for g in grads))


@kernel(shapes=signature("grads *", ranges={"limit": {"minimum": 0}}, cost="64 grads"), in_place=("grads",))
def clip_by_value(grads: Sequence[Array], limit: float) -> None:
    """Every value into `−limit … limit`."""
    for g in grads:
        np.clip(g, -limit, limit, out=g)


@update(dynamic=("learning_rate",))
def sgd_step(w: Array, g: Array, learning_rate: float) -> None:
    """`w ← w − lr · g`."""
    w -= float(learning_rate) * g  # a Python number takes the array's type


@update(dynamic=("learning_rate",), derived={"fresh": lambda dampening: 1 - dampening})
def sgd_momentum_step(
    w: Array, g: Array, velocity: Array, learning_rate: float, momentum: float, dampening: float, nesterov: bool
) -> None:
    """`v ← μ v + (1 − dampening) g`, `w ← w − lr · v`, or with Nesterov `w ← w − lr · (g + μ v)`.

    Sutskever et al. 2013.
    """
    number = w.dtype.type
    velocity *= number(momentum)
    velocity += number(1 - dampening) * g
    w -= number(learning_rate) * (g + number(momentum) * velocity if nesterov else velocity)


@update(
    dynamic=("learning_rate", "step"),
    derived={
        "fresh1": lambda beta1: 1 - beta1,
        "fresh2": lambda beta2: 1 - beta2,
        "correction1": lambda step, beta1: 1 / (1 - beta1**step),
        "correction2": lambda step, beta2: 1 / (1 - beta2**step),
    },
    ranges={"step": {"minimum": 1}, "beta1": {"minimum": 0, "below": 1}, "beta2": {"minimum": 0, "below": 1}},
)
def adamw_step(
    w: Array,
    g: Array,
    m: Array,
    v: Array,
    learning_rate: float,
    step: int,
    beta1: float,
    beta2: float,
    epsilon: float,
    weight_decay: float,
) -> None:
    """`w ← w − lr · (m̂ / (√v̂ + ε) + decay · w)` after updating both moments; `step` counts from 1.

    m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;  m̂ = m / (1 − β₁^step);  v̂ = v / (1 − β₂^step)
    (Loshchilov & Hutter 2019).
    """
    number = w.dtype.type
    m *= number(beta1)
    m += number(1 - beta1) * g
    v *= number(beta2)
    v += number(1 - beta2) * (g * g)
    root = np.sqrt(v * number(1 / (1 - beta2**step)))
    root += number(epsilon)
    change = m * number(1 / (1 - beta1**step))
    change /= root
    if weight_decay:
        change += number(weight_decay) * w
    change *= number(learning_rate)
    w -= change


@update(dynamic=("learning_rate",), derived={"fresh": lambda alpha: 1 - alpha})
def rmsprop_step(
    w: Array,
    g: Array,
    v: Array,
    buffer: Array | None,
    learning_rate: float,
    alpha: float,
    epsilon: float,
    momentum: float,
) -> None:
    """`v ← α v + (1 − α) g²`, `u = g / √(v + ε)`, `b ← μ b + u` if given, `w ← w − lr · (b or u)`.

    Tieleman & Hinton 2012, with ε inside the root.
    """
    number = w.dtype.type
    v *= number(alpha)
    v += number(1 - alpha) * (g * g)
    update = g / np.sqrt(v + number(epsilon))
    if buffer is not None:
        buffer *= number(momentum)
        buffer += update
        update = buffer
    w -= number(learning_rate) * update
