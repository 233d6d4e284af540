"""The one reader of JSON objects: every value is asked for by name and type, every error says where it is.

    f = Fields({"epochs": 3, "rate": 0.1}, "training")
    f.integer("epochs"), f.number("rate", default=0.01, above=0)   # (3, 0.1)
    f.finish()                                                     # nothing else may be in it

Errors read the same wherever they come from: "expected a whole number, got a string", "-1 must be at least 0",
"missing: a string is required", "unknown key 'epoch'". `Rules` say which error class is raised and how keys are
spelled.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import EllipsisType
from typing import Any, overload

from ..errors import ConfigError, FormatError, LoomError
from .names import fold, pascal
from .strict import json_path

Json = dict[str, Any]
MAX_FLOAT = 1.7976931348623157e308
MAX_INT = 2**31 - 1


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


def suggest(word: str, options: Collection[str]) -> str:
    """ "Did you mean …?" with the nearest known word, or the list of all of them."""
    near = difflib.get_close_matches(word, options, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(sorted(filter(None, options)))}."


def is_number(value: object) -> bool:
    """Whether JSON calls `value` a number (Python's booleans are integers, JSON's are not)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_whole(value: object, *, exact: bool = False) -> bool:
    """Whether `value` is a whole number; with `exact`, 4.0 is not one."""
    if isinstance(value, float):
        return not exact and value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def range_fault(
    value: float,
    *,
    minimum: float = -math.inf,
    above: float = -math.inf,
    maximum: float = math.inf,
    below: float = math.inf,
) -> str:
    """What is wrong with a number outside `minimum ≤ value ≤ maximum`, `above < value < below`; "" if nothing is."""
    if minimum <= value <= maximum and above < value < below:
        return ""
    bounds = (
        ("at least", minimum, -math.inf),
        ("above", above, -math.inf),
        ("at most", maximum, math.inf),
        ("below", below, math.inf),
    )
    parts = [f"{word} {_digits(bound)}" for word, bound, open_end in bounds if bound != open_end]
    return f"{_digits(value)} must be {' and '.join(parts)}"


def _digits(value: float) -> str:
    return shown(value) if isinstance(value, int) else f"{value:g}"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How one kind of document is read.

    **Arguments:**

    - `error`: the class of every error.
    - `remedy`: what the user can do about a fault that names no better remedy.
    - `loose`: keys may be written in any case, with or without underscores, and 1 and 0 count as booleans, as the
      original reads its JSON. Objects below are read strictly.
    - `exact`: whole numbers are written without a fraction: 4.0 is an error. (JavaScript has one kind of number, so
      what a page hands over is not read exactly.)
    - `nulls`: null for a number is as if it were absent. Otherwise it is an error unless the field's default is None:
      JavaScript writes NaN and infinities as null.
    - `max_depth`: how many objects may lie in one another.
    - `root`: what errors call the outermost object, where it has neither a path nor a file.
    """

    error: type[LoomError] = ConfigError
    remedy: str = ""
    loose: bool = False
    exact: bool = False
    nulls: bool = False
    max_depth: int = 100
    root: str = "config"


CONFIG = Rules()
LOOSE = Rules(loose=True)
FILE = Rules(error=FormatError, exact=True, nulls=True)


class Fields:
    """One JSON object. A field that is absent or null has its default; without one it is an error.

    Null for a number is an error unless `Rules.nulls` says otherwise or its default is None.

    Getters accept several names for one field: the first that is present wins.

    **Arguments:**

    - `value`: anything but a mapping is an error.
    - `path`: the object's JSON path, such as `layers[0]`.
    - `file`: the name of the file that the path leads through, if any.
    """

    def __init__(self, value: object, path: str = "", *, file: str = "", rules: Rules = CONFIG) -> None:
        self._open(value, path, (), file, rules)

    def _open(self, value: object, base: str, steps: tuple[str | int, ...], file: str, rules: Rules) -> None:
        self._base, self._steps = base, steps
        self.file, self.rules = file, rules
        if not isinstance(value, Mapping):
            raise self.error(f"expected an object, got {json_type(value)}")
        self.values: Mapping[str, Any] = value
        self._asked: set[str] = set()
        self._written: dict[str, str] = {}
        if rules.loose:
            for key in self.values:
                other = self._written.setdefault(fold(key), key)
                if other != key:
                    message, place = f"the same key as {other!r}", self._place(key)
                    raise self.rules.error(message, where=place, remedy="Keep one of them.")

    @property
    def path(self) -> str:
        """The JSON path of this object, without the file."""
        return json_path(self._steps, self._base)

    def at(self, *steps: str | int) -> str:
        """The place of a field of this object, for an error's `where`."""
        return self._place(*self._spelled(steps))

    def _spelled(self, steps: tuple[str | int, ...]) -> tuple[str | int, ...]:
        """The steps with the first key as the document spells it."""
        if self.rules.loose and steps and isinstance(steps[0], str):
            return (self._written.get(fold(steps[0]), steps[0]), *steps[1:])
        return steps

    def _place(self, *steps: str | int) -> str:
        path = json_path((*self._steps, *steps), self._base)
        if self.file:
            return f"{self.file} at {path or 'its root'}"
        return path or self.rules.root

    def error(self, message: str, *steps: str | int, remedy: str = "") -> LoomError:
        """An error of the reader's class at field `steps` of this object."""
        return self.rules.error(message, where=self.at(*steps), remedy=remedy or self.rules.remedy)

    def child(self, value: object, *steps: str | int) -> Fields:
        """A reader like this one for an object that lies at `steps` below."""
        steps = (*self._steps, *self._spelled(steps))
        if sum(isinstance(step, str) for step in steps) > self.rules.max_depth:
            raise self.error(f"objects are nested more than {self.rules.max_depth} deep")
        below = Fields.__new__(Fields)
        rules = replace(self.rules, loose=False) if self.rules.loose else self.rules
        below._open(value, self._base, steps, self.file, rules)
        return below

    def has(self, *names: str) -> bool:
        """Whether one of the fields is present and not null."""
        return self._get(names)[1] is not None

    def any(self, *names: str) -> Any:
        """The value as it is, or None."""
        self._asked.update(names)
        return self._get(names)[1]

    @overload
    def integer(
        self, *names: str, default: int | EllipsisType = ..., minimum: int = ..., maximum: int = ...
    ) -> int: ...
    @overload
    def integer(self, *names: str, default: None, minimum: int = ..., maximum: int = ...) -> int | None: ...
    def integer(self, *names: str, default: Any = ..., minimum: int = 1, maximum: int = MAX_INT) -> int | None:
        """A whole number in `minimum … maximum`."""
        name, value = self._ask_number(names, default, "a whole number")
        return default if value is None else self._whole(value, minimum, maximum, name)

    @overload
    def integers(
        self, *names: str, default: Sequence[int] | EllipsisType = ..., minimum: int = ..., maximum: int = ...
    ) -> list[int]: ...
    @overload
    def integers(self, *names: str, default: None, minimum: int = ..., maximum: int = ...) -> list[int] | None: ...
    def integers(self, *names: str, default: Any = ..., minimum: int = 0, maximum: int = MAX_INT) -> list[int] | None:
        """An array of whole numbers in `minimum … maximum`."""
        name, value = self._ask(names, default, "an array")
        if value is None:
            return None if default is None else list(default)
        return [self._whole(item, minimum, maximum, name, i) for i, item in enumerate(self._array(value, name))]

    def _whole(self, value: Any, minimum: int, maximum: int, *steps: str | int) -> int:
        if not is_whole(value, exact=self.rules.exact):
            got = shown(value) if is_number(value) else json_type(value)
            raise self.error(f"expected a whole number, got {got}", *steps)
        limit = maximum if value > maximum or maximum != MAX_INT else math.inf  # the default limit is no news
        if fault := range_fault(int(value), minimum=minimum, maximum=limit):
            raise self.error(fault, *steps)
        return int(value)

    @overload
    def number(
        self,
        *names: str,
        default: float | EllipsisType = ...,
        minimum: float = ...,
        above: float = ...,
        maximum: float = ...,
        below: float = ...,
    ) -> float: ...
    @overload
    def number(
        self,
        *names: str,
        default: None,
        minimum: float = ...,
        above: float = ...,
        maximum: float = ...,
        below: float = ...,
    ) -> float | None: ...
    def number(
        self,
        *names: str,
        default: Any = ...,
        minimum: float = -math.inf,
        above: float = -math.inf,
        maximum: float = math.inf,
        below: float = math.inf,
    ) -> float | None:
        """A finite number in `minimum … maximum`, greater than `above` and less than `below`."""
        name, value = self._ask_number(names, default, "a number")
        if value is None:
            return default
        if not is_number(value) or not abs(value) < MAX_FLOAT:
            raise self.error(
                f"expected a finite number, got {shown(value) if is_number(value) else json_type(value)}", name
            )
        if fault := range_fault(value, minimum=minimum, above=above, maximum=maximum, below=below):
            raise self.error(fault, name)
        return float(value)

    @overload
    def string(self, *names: str, default: str | EllipsisType = ..., choices: Collection[str] = ...) -> str: ...
    @overload
    def string(self, *names: str, default: None, choices: Collection[str] = ...) -> str | None: ...
    def string(self, *names: str, default: Any = ..., choices: Collection[str] = ()) -> str | None:
        """A string, one of `choices` if there are any."""
        name, value = self._ask(names, default, "a string")
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.error(f"expected a string, got {json_type(value)}", name)
        if choices and value not in choices:
            raise self.error(f"unknown value {shown(value)}", name, remedy=suggest(value, choices))
        return value

    def base64(self, *names: str) -> bytes:
        """The bytes that a base64 string stands for."""
        name, _ = self._ask(names, ..., "a base64 string")
        text = self.string(name)
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise self.error(f"expected base64 ({error})", name) from error

    def boolean(self, *names: str, default: bool | EllipsisType = False) -> bool:
        """True or false; absent it is false, unless `default` says otherwise (`...`: it is required)."""
        name, value = self._ask(names, default, "true or false")
        if value is None:
            return default is True
        if self.rules.loose and is_number(value) and value in (0, 1):
            return bool(value)
        if not isinstance(value, bool):
            raise self.error(f"expected true or false, got {json_type(value)}", name)
        return value

    @overload
    def array(self, *names: str, default: Sequence[Any] | EllipsisType = ...) -> list[Any]: ...
    @overload
    def array(self, *names: str, default: None) -> list[Any] | None: ...
    def array(self, *names: str, default: Any = ...) -> list[Any] | None:
        """An array; what is in it is not looked at."""
        name, value = self._ask(names, default, "an array")
        if value is None:
            return None if default is None else list(default)
        return list(self._array(value, name))

    def _array(self, value: Any, name: str) -> Sequence[Any]:
        if not isinstance(value, (list, tuple)):
            raise self.error(f"expected an array, got {json_type(value)}", name)
        return value

    def object(self, *names: str) -> Fields:
        """The object in a field, which must be there."""
        name, value = self._ask(names, ..., "an object")
        return self.child(value, name)

    def objects(self, *names: str, required: bool = False) -> list[Fields]:
        """An array of objects; empty where it is absent and not `required`."""
        name, value = self._ask(names, ... if required else (), "an array of objects")
        return [self.child(item, name, i) for i, item in enumerate(self._array(() if value is None else value, name))]

    def rest(self) -> dict[str, Any]:
        """The values nobody has asked for; with loose keys, under their folded spelling."""
        return {fold(key) if self.rules.loose else key: self.values[key] for key in self._unasked()}

    def finish(self) -> None:
        """Raise for the first key that nobody has asked for."""
        for key in self._unasked():
            word = pascal(str(key)) if self.rules.loose and "_" in str(key) else str(key)
            raise self.error(f"unknown key {shown(key)}", str(key), remedy=suggest(word, sorted(self._asked)))

    def _unasked(self) -> list[str]:
        if self.rules.loose:
            asked = {fold(name) for name in self._asked}
            return [key for key in self.values if fold(key) not in asked]
        return [key for key in self.values if key not in self._asked]

    def _get(self, names: tuple[str, ...]) -> tuple[str, Any]:
        """The first of the fields that is present, and its value; None if none is."""
        for name in names:
            value = self.values.get(self._written.get(fold(name), name) if self.rules.loose else name)
            if value is not None:
                return name, value
        return names[0], None

    def _ask_number(self, names: tuple[str, ...], default: object, what: str) -> tuple[str, Any]:
        name, value = self._ask(names, default, what)
        if value is None and default is not None and not self.rules.nulls:
            for key in names:
                if (self._written.get(fold(key), key) if self.rules.loose else key) in self.values:
                    raise self.error(f"expected {what}, got null", key)
        return name, value

    def _ask(self, names: tuple[str, ...], default: object, what: str) -> tuple[str, Any]:
        self._asked.update(names)
        name, value = self._get(names)
        if value is None and default is ...:
            key = self._written.get(fold(name), name) if self.rules.loose else name
            if key in self.values:
                raise self.error(f"expected {what}, got null", name)
            raise self.error(f"missing: {what} is required", name)
        return name, value
