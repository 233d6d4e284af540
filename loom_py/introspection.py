"""A class described from its own signatures: the names, types and docs that JavaScript sees.

Public annotated methods of the class and its bases are reachable; `forward_cpu` becomes `ForwardCPU`. Types are given
in the original's spelling (`[]float32`, `time.Duration`).
"""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NewType, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

Duration = NewType("Duration", int)
"""Nanoseconds."""
Floats: TypeAlias = Sequence[float] | Sequence[Sequence[float]] | NDArray[Any]
"""Real numbers: a list, flat or of rows, or an array of any float or integer dtype."""

_UPPER = {"cpu": "CPU", "gpu": "GPU", "json": "JSON", "id": "ID", "adamw": "AdamW", "rmsprop": "RMSprop", "sgd": "SGD"}
_PLAIN = {int: "int", float: "float32", str: "string", bool: "bool", Any: "any", Duration: "time.Duration"}


def public_name(method: str) -> str:
    """`forward_cpu` → `ForwardCPU`."""
    return "".join(_UPPER.get(word, word.capitalize()) for word in method.split("_"))


F = TypeVar("F", bound=Callable[..., Any])


def native(method: F) -> F:
    """Decorator: a public method for Python only (its arguments or result have no JSON form)."""
    method.__dict__["native"] = True
    return method


@cache
def methods(cls: type) -> dict[str, str]:
    """Public name → Python name of every reachable method."""
    found = {}
    members = {name: member for base in reversed(cls.__mro__) for name, member in vars(base).items()}
    for name, member in members.items():
        if name.startswith("_") or not inspect.isfunction(member):
            continue
        parameters = list(inspect.signature(member).parameters.values())[1:]
        annotated = all(p.annotation is not inspect.Parameter.empty for p in parameters)
        if annotated and "return" in member.__annotations__ and "native" not in member.__dict__:
            found[public_name(name)] = name
    return found


@cache
def hints(method: Callable[..., Any]) -> dict[str, Any]:
    """Resolved annotations of a method, those imported for type checking only included."""
    from .training import config

    return typing.get_type_hints(method, localns=vars(config))


def type_name(annotation: Any) -> str:
    """An annotation in the original's spelling."""
    if annotation in (Floats, NDArray[Any]):
        return "[]float32"
    try:
        if annotation in _PLAIN:
            return _PLAIN[annotation]
    except TypeError:
        pass
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation == Sequence[float]:
        return "[]float64"
    if origin in (list, Sequence):
        return f"[]{type_name(arguments[0])}"
    if origin in (dict, Mapping):
        return f"map[{type_name(arguments[0])}]{type_name(arguments[1])}"
    if origin in (typing.Union, types.UnionType):
        rest = [a for a in arguments if a is not type(None)]
        if np.ndarray in [typing.get_origin(a) for a in rest]:
            return "[]float32"
        name = type_name(rest[0])
        return name if name.startswith(("[]", "*")) else f"*{name}" if len(rest) < len(arguments) else name
    name = getattr(annotation, "__name__", str(annotation))
    return f"*{name}" if name in ("TrainingResult", "DeviationMetrics", "ClassificationReport") else name


def results(annotation: Any) -> list[str]:
    """Types of what a method returns; a tuple is several results, None none."""
    if annotation in (None, type(None)):
        return []
    if typing.get_origin(annotation) is tuple:
        return [type_name(a) for a in typing.get_args(annotation)]
    return [type_name(annotation)]


def several(annotation: Any) -> bool:
    """Whether a method's result is given as several: a tuple, or a list of records (one result a record)."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    return origin is tuple or (origin in (list, Sequence) and typing.get_origin(arguments[0]) in (dict, Mapping))


def describe(cls: type) -> list[Mapping[str, Any]]:
    """One record a method, sorted by name: method_name, parameters, returns, doc."""
    records = []
    for public, name in sorted(methods(cls).items()):
        member = getattr(cls, name)
        types_by_name = hints(member)
        parameters = [
            {
                "name": p.name,
                "type": type_name(types_by_name[p.name]),
                "optional": p.default is not inspect.Parameter.empty,
            }
            for p in list(inspect.signature(member).parameters.values())[1:]
        ]
        doc = inspect.getdoc(member) or ""
        returns = results(types_by_name["return"])
        records.append({"method_name": public, "parameters": parameters, "returns": returns, "doc": doc})
    return records


def describe_json(cls: type) -> str:
    """`describe` as indented JSON."""
    return json.dumps(describe(cls), indent=2, ensure_ascii=False)


def signature(cls: type, name: str) -> str:
    """`Name(types) (types)` of one method."""
    for record in describe(cls):
        if record["method_name"] == name:
            arguments = ", ".join(p["type"] for p in record["parameters"])
            returns = record["returns"]
            tail = f" ({', '.join(returns)})" if len(returns) > 1 else "".join(f" {r}" for r in returns)
            return f"{name}({arguments}){tail}"
    raise InputError(f"method {name} not found")
