"""Noise from a counter-based generator: every number follows from the seed, the step and its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..philox import uniform

Array = NDArray[Any]


def gumbel(shape: Sequence[int], seed: int, step: int, like: Array) -> Array:
    """−ln(−ln u), u from the counter-based generator: standard Gumbel noise   (Jang et al. 2017)."""
    u = uniform(seed, step, int(np.prod(shape))).astype(like.dtype)
    return -np.log(-np.log(u)).reshape(tuple(shape))
