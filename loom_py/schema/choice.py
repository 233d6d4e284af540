"""Small frozen choices such as an optimiser or a schedule, to JSON and back."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

from ..errors import ConfigError
from .fields import Json, json_type, suggest
from .loose_fields import LooseFields, fold, pascal


def option(default: Any, *, minimum: float = -math.inf, above: float = -math.inf, below: float = math.inf) -> Any:
    """A dataclass field with its default and the range of its values; a default of None is filled by the reader."""
    return dataclasses.field(default=default, metadata={"minimum": minimum, "above": above, "below": below})


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A frozen set of options with a `kind`; in JSON the kind alone, or `{"Type": kind, "Option": value, …}`."""

    kind: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                _check(value, f.metadata, f"{type(self).__name__}.{f.name}")

    def to_json(self) -> Json:
        """`{"Type": …, …}` with every option; `read_choice` gives back an equal object."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {"Type": self.kind} | {
            pascal(name): value.to_json() if isinstance(value, Choice) else value for name, value in values.items()
        }

    @classmethod
    def from_fields(cls, f: LooseFields, defaults: Mapping[str, Any]) -> Self:
        """From JSON; `defaults` overrides the class's own where it has an entry."""
        values: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            if not field.metadata and not isinstance(field.default, bool):
                continue  # read by the subclass
            key, default = pascal(field.name), defaults.get(field.name, field.default)
            if isinstance(field.default, bool):
                values[field.name] = f.boolean(key, default=default)
            elif str(field.type).startswith("int"):
                values[field.name] = f.integer(key, default=default, minimum=int(field.metadata["minimum"]))
            else:
                number = f.number(key, default=default)
                if number is not None:
                    _check(number, field.metadata, f.at(key))
                values[field.name] = number
        return cls(**values)


def _check(value: float, bounds: Mapping[str, float], where: str) -> None:
    minimum, above = bounds.get("minimum", -math.inf), bounds.get("above", -math.inf)
    below = bounds.get("below", math.inf)
    if not math.isfinite(value):
        raise ConfigError(f"expected a finite number, got {value!r}", where=where)
    if value < minimum or value <= above or value >= below:
        parts = [f"at least {minimum:g}"] if minimum > -math.inf else []
        parts += [f"above {above:g}"] if above > -math.inf else []
        parts += [f"below {below:g}"] if below < math.inf else []
        raise ConfigError(f"{value:g} must be {' and '.join(parts)}", where=where)


C = TypeVar("C", bound=Choice)


def read_choice(
    value: object, kinds: Mapping[str, type[C]], where: str, defaults: Mapping[str, Any] | None = None
) -> C:
    """A name, an object with `Type`, or an instance → the choice; `ConfigError` with the JSON path."""
    if isinstance(value, Choice):
        if type(value) not in kinds.values():
            raise ConfigError(f"{type(value).__name__} does not belong here", where=where)
        return value  # type: ignore[return-value]
    if isinstance(value, str):
        value = {"Type": value}
    if not isinstance(value, Mapping):
        raise ConfigError(f"expected a name or an object, got {json_type(value)}", where=where)
    f = LooseFields(value, where)
    name = f.string("Type")
    cls = {fold(k): c for k, c in kinds.items()}.get(fold(name))
    if cls is None:
        raise ConfigError(f"unknown name {name!r}", where=f.at("Type"), remedy=suggest(name, sorted(kinds)))
    result = cls.from_fields(f, defaults or {})
    f.finish()
    return result
