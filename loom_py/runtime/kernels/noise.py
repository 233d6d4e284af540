"""Noise from a counter-based generator: every number follows from the seed, the step and its place alone."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ..abstract import filled
from ..kernel import Array, Gradients, kernel
from ..ops import Ops, Tensor
from ..philox import philox, uniform
from ..signature import signature


def _draws(shape: Sequence[int], **_: object) -> int:
    return 256 * prod(shape)


def _gumbel_rule(
    ops: Ops, y: Tensor, gy: Tensor, /, shape: Sequence[int], seed: int, step: int, like: Tensor
) -> Gradients:
    return {"like": None}


@kernel(shapes=signature("like *", rule=filled, cost=_draws), dynamic=("step",), gradient=_gumbel_rule)
def gumbel(shape: Sequence[int], seed: int, step: int, like: Array) -> Array:
    """`−ln(−ln u)`: standard Gumbel noise (Jang et al. 2017) in the dtype of `like`."""
    u = uniform(seed, step, int(np.prod(shape))).astype(like.dtype)
    return -np.log(-np.log(u)).reshape(tuple(shape))


def _dropout_rule(ops: Ops, y: Tensor, gy: Tensor, /, x: Tensor, rate: float, seed: int, step: int) -> Gradients:
    return {"x": ops.dropout(gy, rate, seed, step)}


@kernel(
    shapes=signature("x *", "x", ranges={"rate": {"minimum": 0, "below": 1}}, cost="256 *"),
    dynamic=("step",),
    gradient=_dropout_rule,
)
def dropout(x: Array, rate: float, seed: int, step: int) -> Array:
    """Each element 0 with probability `rate`, else `x / (1 − rate)` (Srivastava et al. 2014); its own gradient."""
    words, _ = philox(seed, int(step), np.arange(x.size, dtype=np.uint32))
    kept = words.reshape(x.shape) >= np.uint32(dropped_below(rate))
    scaled: Array = x * x.dtype.type(1 / (1 - rate))
    scaled[~kept] = 0
    return scaled


def dropped_below(rate: float) -> int:
    """The 32-bit word from which on an element is kept."""
    return min(round(rate * 2**32), 2**32 - 1)
