"""Noise from a counter-based generator: every number follows from the seed, the step and its place alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..abstract import alike
from ..kernel import Array, kernel
from ..philox import uniform


@kernel(shapes=lambda shape, like, **_: alike(like, shape), dynamic=("step",))
def gumbel(shape: Sequence[int], seed: int, step: int, like: Array) -> Array:
    """`−ln(−ln u)`: standard Gumbel noise (Jang et al. 2017) in the dtype of `like`."""
    u = uniform(seed, step, int(np.prod(shape))).astype(like.dtype)
    return -np.log(-np.log(u)).reshape(tuple(shape))
