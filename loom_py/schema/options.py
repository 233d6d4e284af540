"""Options of a dataclass with their ranges, declared beside the attributes and read from JSON in one place.

@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    patience: int = option(10, minimum=1)
    monitor: str = option("loss", choices=("loss", "validation_score"))

EarlyStopping(**read_options(EarlyStopping, Fields({"Patience": 3}, "config", rules=LOOSE)))
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..errors import ConfigError
from .fields import LOOSE, MAX_INT, Fields, range_fault, shown
from .names import pascal


@dataclass(frozen=True, kw_only=True)
class Option:
    """What is known of one option besides its default; `names` are accepted besides its own."""

    minimum: float = -math.inf
    above: float = -math.inf
    maximum: float = math.inf
    below: float = math.inf
    choices: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def fault(self, value: float) -> str:
        """What is wrong with a number; "" if nothing is."""
        if not math.isfinite(value):
            return f"expected a finite number, got {shown(value)}"
        return range_fault(value, minimum=self.minimum, above=self.above, maximum=self.maximum, below=self.below)


def option(
    default: Any,
    *,
    minimum: float = -math.inf,
    above: float = -math.inf,
    maximum: float = math.inf,
    below: float = math.inf,
    choices: Sequence[str] = (),
    names: Sequence[str] = (),
) -> Any:  # a dataclass field: the attribute's annotation says its type
    """A dataclass field of type `int`, `float`, `str` or `bool` (`| None`) that is read from JSON.

    **Arguments:**

    - `minimum`, `above`, `maximum`, `below`: the range of a number.
    - `choices`: what a string may be.
    - `names`: other JSON keys that are accepted; its own is the attribute's name in PascalCase.
    """
    declared = Option(
        minimum=minimum, above=above, maximum=maximum, below=below, choices=tuple(choices), names=tuple(names)
    )
    return dataclasses.field(default=default, metadata={"option": declared})


@cache
def options(cls: type) -> Mapping[str, tuple[str, Option, Any]]:
    """Attribute → (type's name, option, default), for all that a class declares and inherits."""
    return {
        field.name: (str(field.type).split(" |")[0], field.metadata["option"], field.default)
        for field in dataclasses.fields(cls)
        if "option" in field.metadata
    }


def read_options(
    cls: type, f: Fields, defaults: Mapping[str, Any] | None = None, name: Callable[[str], str] = pascal
) -> dict[str, Any]:
    """Attribute → checked value of every option; `defaults` go before the class's own. `name` spells the keys."""
    values: dict[str, Any] = {}
    for attribute, (kind, declared, own) in options(cls).items():
        keys = (name(attribute), *declared.names)
        values[attribute] = _read(kind, declared, f, keys, (defaults or {}).get(attribute, own))
    return values


def _read(kind: str, declared: Option, f: Fields, keys: tuple[str, ...], default: Any) -> Any:
    if kind == "bool":
        return f.boolean(*keys, default=default)
    if kind == "str":
        return f.string(*keys, default=default, choices=declared.choices)
    if kind == "int":
        low, high = declared.minimum, declared.maximum
        return f.integer(
            *keys,
            default=default,
            minimum=-MAX_INT if math.isinf(low) else int(low),
            maximum=MAX_INT if math.isinf(high) else int(high),
        )
    return f.number(
        *keys,
        default=default,
        minimum=declared.minimum,
        above=declared.above,
        maximum=declared.maximum,
        below=declared.below,
    )


def check_options(record: Any, where: str, name: Callable[[str], str] = pascal) -> dict[str, Any]:
    """The options of a dataclass made in Python, checked as if read; NumPy's numbers and paths become plain values."""
    values = {attribute: _plain(getattr(record, attribute)) for attribute in options(type(record))}
    for attribute, value in values.items():
        if value is None and options(type(record))[attribute][2] is not None:
            raise ConfigError("expected a value, got null", where=f"{where}.{name(attribute)}")
    return read_options(type(record), Fields({name(k): v for k, v in values.items()}, where, rules=LOOSE), name=name)


def _plain(value: Any) -> Any:
    """NumPy numbers and paths as Python's own, which is what the reader knows."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if isinstance(value, np.generic) else value
