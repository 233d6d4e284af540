"""Describe a class from its signatures: the names, types and documentation that JavaScript sees.

Public annotated methods of the class and its bases are reachable; `forward_cpu` becomes `ForwardCPU`, and the property
`input_size` the method `GetInputSize`. Types are given in the original's spelling (`[]float32`, `time.Duration`).

These values cross the boundary: numbers, texts, lists, objects, arrays, records that have `from_json`, and objects of
classes marked `shared`, which stay in Python and have handles outside. A parameter of any other type is hidden if it
has a default; without one the method is for Python only.
"""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..marks import Duration, Floats, is_shared, shared_name

_UPPER = {
    "cpu": "CPU",
    "gpu": "GPU",
    "json": "JSON",
    "id": "ID",
    "ids": "IDs",
    "adamw": "AdamW",
    "rmsprop": "RMSprop",
    "sgd": "SGD",
}
_PLAIN = {int: "int", float: "float32", str: "string", bool: "bool", Any: "any", Duration: "time.Duration"}


@runtime_checkable
class ReadsJson(Protocol):
    """A class that reads its own JSON, such as an options dataclass."""

    @classmethod
    def from_json(cls, value: object, where: str) -> Any: ...


def public_name(method: str) -> str:
    """`forward_cpu` → `ForwardCPU`."""
    return "".join(_UPPER.get(word, word.capitalize()) for word in method.split("_"))


@cache
def methods(cls: type) -> dict[str, str]:
    """Public name → Python name of every reachable method; properties are reached as `Get…`."""
    names: dict[str, str] = {}
    members = {name: member for base in reversed(cls.__mro__) for name, member in vars(base).items()}
    for name, found_member in members.items():
        getter = isinstance(found_member, property)
        function = found_member.fget if getter else found_member
        if name.startswith("_") or not inspect.isfunction(function) or not _reachable(function):
            continue
        public = public_name(f"get_{name}" if getter else name)
        if not getter or public not in names:
            names[public] = name
    return names


def _reachable(function: Callable[..., Any]) -> bool:
    given = list(inspect.signature(function).parameters.values())[1:]
    annotated = all(p.annotation is not inspect.Parameter.empty for p in given)
    if not annotated or "return" not in function.__annotations__ or "native" in function.__dict__:
        return False
    types_by_name = hints(function)
    return all(crosses(types_by_name[p.name]) or p.default is not inspect.Parameter.empty for p in given)


def member(cls: type, public: str) -> Callable[..., Any] | None:
    """The function behind a public name, with `self` as its first parameter; None if there is none."""
    name = methods(cls).get(public)
    if name is None:
        return None
    attribute = inspect.getattr_static(cls, name)
    return attribute.fget if isinstance(attribute, property) else attribute


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters a caller outside can give, in order: without `self` and without those that do not cross."""
    types_by_name = hints(function)
    return [p for p in list(inspect.signature(function).parameters.values())[1:] if crosses(types_by_name[p.name])]


def crosses(annotation: Any) -> bool:
    """Whether values of this type can come from outside."""
    if annotation in (Any, dict) or annotation == Floats:
        return True
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return any(crosses(a) for a in arguments if a is not type(None))
    if origin in (list, Sequence):
        return crosses(arguments[0])
    if origin in (dict, Mapping, np.ndarray):
        return True
    if annotation in _PLAIN or is_shared(annotation):
        return True
    return isinstance(annotation, type) and issubclass(annotation, ReadsJson)


@cache
def hints(method: Callable[..., Any]) -> dict[str, Any]:
    """Resolved annotations of a method; the names in them must be importable where it is defined."""
    return typing.get_type_hints(method)


def type_name(annotation: Any) -> str:
    """An annotation in the original's spelling."""
    if annotation in (Floats, NDArray[Any]):
        return "[]float32"
    try:
        if annotation in _PLAIN:
            return _PLAIN[annotation]
    except TypeError:
        pass
    if is_shared(annotation):
        return f"*{shared_name(annotation)}"
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
    """Types of a method's results: a tuple is several, None is none."""
    if annotation in (None, type(None)):
        return []
    if typing.get_origin(annotation) is tuple:
        return [type_name(a) for a in typing.get_args(annotation)]
    return [type_name(annotation)]


def several(annotation: Any) -> bool:
    """Whether a method's result counts as several: a tuple, or a list of records (one result a record)."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    return origin is tuple or (origin in (list, Sequence) and typing.get_origin(arguments[0]) in (dict, Mapping))


def describe(cls: type) -> list[Mapping[str, Any]]:
    """One record a method, sorted by name: method_name, parameters, returns, doc."""
    records = []
    for public in sorted(methods(cls)):
        function = member(cls, public)
        assert function is not None
        returns = results(hints(function)["return"])
        doc = inspect.getdoc(function) or ""
        records.append({"method_name": public, "parameters": _described(function), "returns": returns, "doc": doc})
    return records


def _described(function: Callable[..., Any]) -> list[dict[str, Any]]:
    types_by_name = hints(function)
    return [
        {
            "name": p.name,
            "type": type_name(types_by_name[p.name]),
            "optional": p.default is not inspect.Parameter.empty,
        }
        for p in parameters(function)
    ]


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
