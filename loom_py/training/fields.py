"""Reading training options from JSON: keys in any case, and small frozen choices such as an optimiser or a schedule."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

from ..errors import ConfigError
from ..nn.fields import Fields, Json, json_type, suggest


def fold(key: str) -> str:
    """`LearningRate`, `learning_rate`, `learningrate` → one spelling."""
    return str(key).lower().replace("_", "").replace(" ", "")


def pascal(name: str) -> str:
    """`learning_rate` → `LearningRate`."""
    return "".join(word.capitalize() for word in name.split("_"))


class LooseFields(Fields):
    """`Fields` asked for by PascalCase names, whatever the case and underscores of the keys; errors show the keys."""

    def __init__(self, value: object, path: str) -> None:
        super().__init__(value, path)
        self._written: dict[str, str] = {}
        for key in self.values:
            other = self._written.setdefault(fold(key), str(key))
            if other != key:
                raise ConfigError(f"the same key as {other!r}", where=f"{path}.{key}", remedy="Keep one of them.")

    def at(self, name: str) -> str:
        return super().at(self._written.get(fold(name), name))

    def _get(self, names: tuple[str, ...]) -> tuple[str, Any]:
        self._asked.update(names)
        for name in names:
            key = self._written.get(fold(name))
            if key is not None and self.values[key] is not None:
                return name, self.values[key]
        return names[0], None

    def has(self, *names: str) -> bool:
        return self._get(names)[1] is not None

    def boolean(self, *names: str, default: bool = False) -> bool:
        """true or false; 1 and 0 count too."""
        _, value = self._get(names)
        return (
            bool(value) if type(value) in (int, float) and value in (0, 1) else super().boolean(*names, default=default)
        )

    def array(self, *names: str) -> list[Any]:
        """An array, empty if absent; what is in it is not looked at."""
        name, value = self._get(names)
        if value is not None and not isinstance(value, (list, tuple)):
            raise ConfigError(f"expected an array, got {json_type(value)}", where=self.at(name))
        return list(value or ())

    def finish(self) -> None:
        known = {fold(name): name for name in self._asked}
        for key in self.values:
            if fold(key) not in known:
                near = suggest(pascal(str(key)) if "_" in str(key) else str(key), sorted(known.values()))
                raise ConfigError(f"unknown key {key!r}", where=self.at(str(key)), remedy=near)


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
