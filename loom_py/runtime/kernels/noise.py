"""Noise from a counter-based generator: every number follows from the seed, the step and its place alone."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ..abstract import filled
from ..kernel import Array, kernel
from ..philox import philox, uniform
from ..signature import signature


def _draws(shape: Sequence[int], **_: object) -> int:
    return 256 * prod(shape)


@kernel(shapes=signature("like *", rule=filled, cost=_draws), dynamic=("step",))
def gumbel(shape: Sequence[int], seed: int, step: int, like: Array) -> Array:
    """`−ln(−ln u)`: standard Gumbel noise (Jang et al. 2017) in the dtype of `like`."""
    u = uniform(seed, step, int(np.prod(shape))).astype(like.dtype)
    return -np.log(-np.log(u)).reshape(tuple(shape))


@kernel(shapes=signature("x *", "x", ranges={"rate": {"minimum": 0, "below": 1}}, cost="256 *"), dynamic=("step",))
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
