"""Sum, minimum and maximum of an array."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ...errors import InputError
from ...schema.fields import suggest
from ..checks import numbers

_KINDS = {"sum": np.sum, "min": np.min, "max": np.max}


def reduce(values: ArrayLike, kind: Literal["sum", "min", "max"] = "sum") -> float:
    """Reduce all values to one float64; 0 for an empty array, as in the original."""
    if kind not in _KINDS:
        raise InputError(f"unknown reduction {kind!r}", where="kind", remedy=suggest(str(kind), _KINDS))
    x = numbers(values, "values", finite=False)
    return float(_KINDS[kind](x)) if x.size else 0.0
