"""A checked view of one JSON object: every value is asked for by name and type, and leftovers are errors."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping
from types import EllipsisType
from typing import Any, overload

from ..errors import ConfigError

Json = dict[str, Any]
MAX_FLOAT = 1.7976931348623157e308


def json_type(value: object) -> str:
    """The JSON name of a Python value's type, for error messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "an array"
    return f"a Python {type(value).__name__}"


def shown(value: object) -> str:
    """A value for an error message: short, whatever it is."""
    if isinstance(value, int) and abs(value) >= 10**30:
        return "a number with very many digits"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def suggest(word: str, known: Collection[str]) -> str:
    """ "Did you mean …?" with the nearest known word, or the list of all of them."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(sorted(known))}."


class Fields:
    """One JSON object at `path`. Getters accept several names for one field (the first present wins)."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, Mapping):
            raise ConfigError(f"expected an object, got {json_type(value)}", where=path or "config")
        self.values: Mapping[str, Any] = value
        self.path = path
        self._asked: set[str] = set()

    def at(self, name: str) -> str:
        """The JSON path of a field of this object."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, *names: str) -> bool:
        return any(self.values.get(n) is not None for n in names)

    def _get(self, names: tuple[str, ...]) -> tuple[str, Any]:
        self._asked.update(names)
        for name in names:
            if self.values.get(name) is not None:
                return name, self.values[name]
        return names[0], None

    def _default(self, default: Any, name: str, what: str) -> Any:
        if default is ...:
            raise ConfigError(f"missing: {what} is required here", where=self.at(name))
        return default

    @overload
    def integer(
        self, *names: str, default: int | EllipsisType = ..., minimum: int = ..., maximum: int = ...
    ) -> int: ...
    @overload
    def integer(self, *names: str, default: None, minimum: int = ..., maximum: int = ...) -> int | None: ...
    def integer(self, *names: str, default: Any = ..., minimum: int = 1, maximum: int = 2**31 - 1) -> int | None:
        """A whole number in `minimum … maximum`; absent: `default`, or an error without one."""
        name, value = self._get(names)
        if value is None:
            return self._default(default, name, "a whole number")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1:
            raise ConfigError(f"expected a whole number, got {shown(value)}", where=self.at(name))
        if not minimum <= value <= maximum:
            raise ConfigError(f"{shown(int(value))} is outside {minimum} … {maximum}", where=self.at(name))
        return int(value)

    def number(self, *names: str, default: Any = ..., minimum: float = -math.inf, above: float = -math.inf) -> float:
        """A finite number `≥ minimum` and `> above`; absent: `default`, or an error without one."""
        name, value = self._get(names)
        if value is None:
            return self._default(default, name, "a number")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < MAX_FLOAT:
            raise ConfigError(f"expected a finite number, got {shown(value)}", where=self.at(name))
        if value < minimum or value <= above:
            bound = f"above {above:g}" if above > -math.inf else f"at least {minimum:g}"
            raise ConfigError(f"{value:g} must be {bound}", where=self.at(name))
        return float(value)

    def string(self, *names: str, default: Any = ..., choices: Collection[str] = ()) -> str:
        """A string, one of `choices` if there are any; absent: `default`, or an error without one."""
        name, value = self._get(names)
        if value is None:
            return self._default(default, name, "a string")
        if not isinstance(value, str):
            raise ConfigError(f"expected a string, got {json_type(value)}", where=self.at(name))
        if choices and value not in choices:
            raise ConfigError(f"unknown value {value!r}", where=self.at(name), remedy=suggest(value, choices))
        return value

    def any(self, *names: str) -> Any:
        """The raw value, or None."""
        return self._get(names)[1]

    def boolean(self, *names: str, default: bool = False) -> bool:
        name, value = self._get(names)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise ConfigError(f"expected true or false, got {json_type(value)}", where=self.at(name))
        return value

    def objects(self, name: str, *, required: bool = False) -> list[Fields]:
        """An array of objects, each with its own path."""
        _, value = self._get((name,))
        if value is None:
            return self._default(... if required else [], name, "an array of objects")
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"expected an array, got {json_type(value)}", where=self.at(name))
        return [Fields(item, f"{self.at(name)}[{i}]") for i, item in enumerate(value)]

    def finish(self) -> None:
        """Raise `ConfigError` for the first key nobody asked for."""
        for name in self.values:
            if name not in self._asked:
                raise ConfigError(
                    f"unknown key {name!r}", where=self.at(str(name)), remedy=suggest(str(name), self._asked)
                )
