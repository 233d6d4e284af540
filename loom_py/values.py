"""Numbers from callers, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError


def to_array(x: object, dtype: Any, where: str) -> NDArray[Any]:
    """Real numbers of any shape as an array of a float dtype, without a copy where it is one already.

    Raises `InputError` at `where` for strings, booleans, None, ragged nesting and integers beyond 64 bits: what NumPy
    would convert after its own fashion.
    """
    try:
        a = np.asarray(x)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"expected numbers ({error})", where=where) from error
    if a.dtype.kind not in "fiu" and a.size:
        raise InputError("expected numbers", where=where)
    with np.errstate(over="ignore"):
        return a.astype(dtype, copy=False)
