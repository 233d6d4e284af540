"""Typed access to the fields of a JSON object from a file; every error names the file and the JSON path."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, overload

from ..errors import FormatError
from .strict import json_path

_KINDS = {bool: "a boolean", int: "an integer", float: "a number", str: "a string", list: "an array"}


def kind_of(value: object) -> str:
    """What JSON calls the type of `value`."""
    if value is None:
        return "null"
    return "an object" if isinstance(value, Mapping) else _KINDS.get(type(value), type(value).__name__)


class Fields:
    """The fields of one object. Absent and `null` fields take their default; without one they are an error.

    **Arguments:**

    - `value`: the object; anything but a mapping is a `FormatError`.
    - `where`: the file's name.
    - `path`: the steps from the document's root to the object.
    """

    def __init__(self, value: object, where: str, path: tuple[str | int, ...] = ()) -> None:
        self.where = where
        self.path = path
        if not isinstance(value, Mapping):
            raise self.error(f"must be an object, but is {kind_of(value)}")
        self.mapping: Mapping[str, Any] = value

    def error(self, message: str, *steps: str | int, remedy: str = "") -> FormatError:
        """A `FormatError` at the field `steps` of this object."""
        path = json_path([*self.path, *steps])
        return FormatError(message, where=f"{self.where} at {path or 'its root'}", remedy=remedy)

    def has(self, key: str) -> bool:
        """Whether the field is there and not `null`."""
        return self.mapping.get(key) is not None

    @overload
    def integer(self, key: str, default: int = ..., *, low: int = ..., high: int = ...) -> int: ...
    @overload
    def integer(self, key: str, default: None, *, low: int = ..., high: int = ...) -> int | None: ...
    def integer(self, key: str, default: Any = ..., *, low: int = 0, high: int = 2**31 - 1) -> int | None:
        """An integer with `low ≤ value ≤ high`; `4096.0` is not one."""
        value = self._get(key, default)
        if value is default:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(f"must be an integer, but is {kind_of(value)}", key)
        if not low <= value <= high:
            raise self.error(f"must lie between {low} and {high}, but is {_short(value)}", key)
        return value

    def number(self, key: str, default: Any = ..., *, low: float = 0.0, high: float = math.inf) -> float:
        """A finite number with `low < value ≤ high`."""
        value = self._get(key, default)
        if value is default:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.error(f"must be a number, but is {kind_of(value)}", key)
        try:
            result = float(value)
        except OverflowError:
            result = math.inf
        if not (low < result <= high) or not math.isfinite(result):
            bound = "a finite number" if math.isinf(high) else f"at most {high:g}"
            raise self.error(f"must be {bound} above {low:g}, but is {_short(value)}", key)
        return result

    def boolean(self, key: str, default: Any = ...) -> bool:
        """`true` or `false`."""
        value = self._get(key, default)
        if value is not default and not isinstance(value, bool):
            raise self.error(f"must be true or false, but is {kind_of(value)}", key)
        return value

    @overload
    def text(self, key: str, default: str = ...) -> str: ...
    @overload
    def text(self, key: str, default: None) -> str | None: ...
    def text(self, key: str, default: Any = ...) -> str | None:
        """A string."""
        value = self._get(key, default)
        if value is not default and not isinstance(value, str):
            raise self.error(f"must be a string, but is {kind_of(value)}", key)
        return value

    def object(self, key: str) -> Fields:
        """The object in a field that must be there."""
        return Fields(self._get(key, ...), self.where, (*self.path, key))

    def array(self, key: str, default: Any = ...) -> list[Any]:
        """An array, its elements unchecked."""
        value = self._get(key, default)
        if value is not default and not isinstance(value, list):
            raise self.error(f"must be an array, but is {kind_of(value)}", key)
        return value

    def _get(self, key: str, default: Any) -> Any:
        value = self.mapping.get(key)
        if value is not None:
            return value
        if default is ...:
            raise self.error("is missing" if key not in self.mapping else "must not be null", key)
        return default


def _short(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # an integer with more digits than Python prints
        return "a number with thousands of digits"
    return text if len(text) <= 40 else text[:37] + "…"
