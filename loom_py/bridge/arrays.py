"""Typed arrays across the boundary, without JSON."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

PLACE = "loom:array"
"""The key that stands in JSON for the typed array of that number beside it."""


def plain(value: Any) -> Any:
    """A JavaScript array or object as Python lists and dicts; typed arrays inside become memoryviews."""
    return value.to_py() if hasattr(value, "to_py") else value


def from_js(values: Any) -> Any:
    """A `Float32Array` as an array over a copy of its bytes; an array of several as a list of them."""
    if not hasattr(values, "to_memoryview"):
        return plain(values)
    return np.frombuffer(values.to_memoryview(), dtype=np.float32)


def to_js(array: np.ndarray) -> Any:
    """A new `Float32Array` in JavaScript; the array itself where there is none."""
    values = np.ascontiguousarray(array, dtype=np.float32)
    if sys.platform != "emscripten":
        return values
    from js import Float32Array  # type: ignore[import-not-found]  # exists in Pyodide only

    result = Float32Array.new(values.size)
    result.assign(values)
    return result


def put_back(value: Any, arrays: list[Any]) -> Any:
    """JSON values with the typed arrays put back in their places."""
    if isinstance(value, list):
        return [put_back(item, arrays) for item in value]
    if isinstance(value, dict):
        if value.keys() == {PLACE} and isinstance(value[PLACE], int) and 0 <= value[PLACE] < len(arrays):
            return np.asarray(arrays[value[PLACE]])
        return {key: put_back(item, arrays) for key, item in value.items()}
    return value
