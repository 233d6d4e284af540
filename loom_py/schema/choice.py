"""Small frozen choices such as an optimiser or a schedule, to JSON and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

from ..errors import ConfigError
from .fields import LOOSE, Fields, Json, json_type, suggest
from .names import fold, pascal
from .options import options, read_options


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A frozen set of options with a `kind`; in JSON the kind alone, or `{"Type": kind, "Option": value, …}`."""

    kind: ClassVar[str]

    def __post_init__(self) -> None:
        for name, (_, declared, _) in options(type(self)).items():
            value = getattr(self, name)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and (fault := declared.fault(value)):
                raise ConfigError(fault, where=f"{type(self).__name__}.{name}")

    def to_json(self) -> Json:
        """`{"Type": …, …}` with every option; `read_choice` gives back an equal object."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {"Type": self.kind} | {
            pascal(name): value.to_json() if isinstance(value, Choice) else value for name, value in values.items()
        }

    @classmethod
    def from_fields(cls, f: Fields, defaults: Mapping[str, Any]) -> Self:
        """From JSON; `defaults` overrides the class's own where it has an entry."""
        return cls(**read_options(cls, f, defaults))


C = TypeVar("C", bound=Choice)


def read_choice(
    value: object, kinds: Mapping[str, type[C]], where: str, defaults: Mapping[str, Any] | None = None
) -> C:
    """A name, an object with `Type`, or an instance → the choice; `ConfigError` with the JSON path."""
    if isinstance(value, Choice):
        for cls in kinds.values():
            if type(value) is cls:
                return value
        raise ConfigError(f"{type(value).__name__} does not belong here", where=where)
    if isinstance(value, str):
        value = {"Type": value}
    if not isinstance(value, Mapping):
        raise ConfigError(f"expected a name or an object, got {json_type(value)}", where=where)
    f = Fields(value, where, rules=LOOSE)
    name = f.string("Type")
    cls = {fold(k): c for k, c in kinds.items()}.get(fold(name))
    if cls is None:
        raise f.error(f"unknown name {name!r}", "Type", remedy=suggest(name, sorted(kinds)))
    result = cls.from_fields(f, defaults or {})
    f.finish()
    return result
