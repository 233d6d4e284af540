"""Checks the tools share: matrices of real numbers, seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..values import to_array, whole

Matrix = NDArray[np.float64]


def vector(x: object, where: str, *, dtype: Any = np.float64, finite: bool = True) -> NDArray[Any]:
    """A float vector; `InputError` at `where` for other shapes, or values that are not finite."""
    return _shaped(x, where, 1, "a vector", dtype, finite)


def matrix(x: object, where: str, *, dtype: Any = np.float64, finite: bool = True) -> NDArray[Any]:
    """A float matrix; `InputError` at `where` for other shapes, or values that are not finite."""
    return _shaped(x, where, 2, "a matrix", dtype, finite)


def numbers(x: object, where: str, *, dtype: Any = np.float64, finite: bool = True) -> NDArray[Any]:
    """A float array of any shape."""
    a = to_array(x, dtype, where)
    if finite and not np.isfinite(a).all():
        place = ", ".join(str(int(i)) for i in np.argwhere(~np.isfinite(a))[0])
        raise InputError("holds a number that is not finite", where=f"{where}[{place}]")
    return a


def _shaped(x: object, where: str, ndim: int, what: str, dtype: Any, finite: bool) -> NDArray[Any]:
    a = to_array(x, dtype, where)
    if a.ndim != ndim:
        raise InputError(f"expected {what}, got an array with {a.ndim} axes", where=where)
    return numbers(a, where, dtype=dtype, finite=finite)


def generator(seed: int | None) -> np.random.Generator:
    """The counter-based generator used everywhere here; fresh randomness for None."""
    return np.random.Generator(np.random.Philox(None if seed is None else whole(seed, "seed")))
