"""The JSON fields of a layer, declared beside its attributes.

    class Embedding(Layer):
        vocab_size: int = integer()
        embedding_dim: int = integer("embedding_dim", "embedding_size", "d_model")

`Layer.from_fields` reads and checks all of them, `Layer.to_json` writes them. An attribute without names is called like
its field. What follows from other fields or from the layer before is checked in `Layer.fitted`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, partial
from typing import Any, Literal

from ..errors import ConfigError
from ..schema.fields import Fields, Json, is_number, is_whole, json_type, shown

Reader = Callable[[Fields, tuple[str, ...], int | None], object]
"""(JSON object, accepted names, values that the layer before gives if known) → the checked value."""


class Default(Enum):
    """Defaults that are no value."""

    REQUIRED = "an error where the field is absent"
    INPUTS = "as many values as the layer before gives"


REQUIRED, INPUTS = Default.REQUIRED, Default.INPUTS


@dataclass(frozen=True)
class Option:
    """How one attribute is read and written."""

    read: Reader
    names: tuple[str, ...]
    """Accepted names, the first one for error messages; () is the attribute's own."""
    saved: str | None
    """The name in saved files; None is the first of `names`, "" leaves it out."""
    type: Literal["int", "float", "bool", "str", "list"]
    write: Callable[[Any], object] | None = None
    """What is saved, if not the value itself."""
    used: bool = True
    """False for what is read and checked only because the original writes it."""
    inferred: bool = False
    """Whether the layer before can stand in for the field."""


def option(
    read: Reader,
    names: Sequence[str] = (),
    *,
    type: Literal["int", "float", "bool", "str", "list"],
    default: object = REQUIRED,
    saved: str | None = None,
    write: Callable[[Any], object] | None = None,
    used: bool = True,
) -> Any:  # a dataclass field: the attribute's annotation says its type
    """A dataclass field read from JSON by `read`."""
    metadata = {"option": Option(read, tuple(names), saved, type, write, used, default is INPUTS)}
    if isinstance(default, Default):
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def integer(*names: str, default: int | Default = REQUIRED, minimum: int = 1, saved: str | None = None) -> Any:
    """A whole number of at least `minimum`; `default` may lie below it, for what `fitted` fills in."""
    return option(partial(_integer, default, minimum), names, type="int", default=default, saved=saved)


def real(*names: str, default: float, minimum: float = float("-inf"), above: float = float("-inf")) -> Any:
    """A finite number."""

    def read(f: Fields, names: tuple[str, ...], in_size: int | None) -> float:
        return f.number(*names, default=default, minimum=minimum, above=above)

    return option(read, names, type="float", default=default)


SMALLEST_DIVISOR = 1e-37
"""Above it x and 1 / x are normal numbers of float32, which every device has."""


def read_divisor(f: Fields, names: tuple[str, ...], default: float) -> float:
    """A number that something is divided by: positive, and not replaced by another where it is too small."""
    value = f.number(*names, default=default, minimum=0)
    if value < SMALLEST_DIVISOR:
        problem = f"{value:g} must be at least {SMALLEST_DIVISOR:g}"
        raise ConfigError(problem, where=f.at(names[0]), remedy=f"Leave it out for {default:g}.")
    return value


def divisor(*names: str, default: float) -> Any:
    """See `read_divisor`."""

    def read(f: Fields, names: tuple[str, ...], in_size: int | None) -> float:
        return read_divisor(f, names, default)

    return option(read, names, type="float", default=default)


def boolean(*names: str, default: bool = False) -> Any:
    """true or false."""

    def read(f: Fields, names: tuple[str, ...], in_size: int | None) -> bool:
        return f.boolean(*names, default=default)

    return option(read, names, type="bool", default=default)


def array(*names: str, of: type[bool] | type[int] | type[float]) -> Any:
    """A flat array of booleans or numbers; () if absent."""

    def read(f: Fields, names: tuple[str, ...], in_size: int | None) -> tuple[object, ...]:
        return items(f, f.array(*names, default=()), of, names[0])

    return option(read, names, type="list", default=(), write=list)


def items(
    f: Fields, values: Sequence[Any], of: type[bool] | type[int] | type[float], *steps: str | int
) -> tuple[Any, ...]:
    """The booleans or numbers of an array at `steps` of `f`; an error with the path of anything else."""
    for i, item in enumerate(values):
        if of is bool and not isinstance(item, bool):
            raise f.error(f"expected true or false, got {json_type(item)}", *steps, i)
        if of is not bool and not is_number(item):
            raise f.error(f"expected a number, got {json_type(item)}", *steps, i)
        if of is int and not is_whole(item):
            raise f.error(f"expected a whole number, got {shown(item)}", *steps, i)
    return tuple(of(item) for item in values)


def _integer(default: int | Default, minimum: int, f: Fields, names: tuple[str, ...], in_size: int | None) -> int:
    if default is INPUTS:
        if in_size is None and not f.has(*names):
            raise ConfigError(
                "missing: no earlier layer fixes this size", where=f.at(names[0]), remedy=f"Give {names[0]}."
            )
        size = f.integer(*names, default=None, minimum=minimum)
        return in_size if size is None and in_size is not None else f.integer(*names, minimum=minimum)
    return f.integer(*names, default=... if default is REQUIRED else default, minimum=minimum)


@cache
def options(cls: type) -> Mapping[str, Option]:
    """Attribute → option, for all that a layer class declares and inherits."""
    return {
        field.name: dataclasses.replace(field.metadata["option"], names=field.metadata["option"].names or (field.name,))
        for field in dataclasses.fields(cls)
        if "option" in field.metadata
    }


def read_options(cls: type, f: Fields, in_size: int | None) -> dict[str, Any]:
    """Attribute → value of all options of a layer class; `ConfigError` with the JSON path of a wrong one."""
    required_first = sorted(options(cls).items(), key=lambda pair: pair[1].inferred)
    return {name: item.read(f, item.names, in_size) for name, item in required_first}


def write_options(layer: object) -> Json:
    """The JSON fields of a layer's options."""
    record: Json = {}
    for name, item in options(type(layer)).items():
        if item.saved != "":
            value = vars(layer)[name]
            record[item.saved or item.names[0]] = item.write(value) if item.write else value
    return record
