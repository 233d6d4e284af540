"""JSON values ↔ Python values, by annotation. This is where a method call from outside is checked."""

from __future__ import annotations

import inspect
import json
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np

from ..errors import InputError, LoomError
from ..marks import Duration, Floats, is_shared, shared_name
from ..network import reflection
from ..schema.fields import json_type
from ..schema.strict import parse_json
from ..training.config import TrainingBatch, TrainingConfig, as_batch, as_config
from .objects import keep, take

HANDLE = "loom:handle"
"""The key that marks a reference to a shared object in JSON."""
INTEGER_LIMIT = 2**53
"""JavaScript's numbers count without gaps up to here."""


def takes_text(method: Callable[..., Any]) -> bool:
    """Whether a method has exactly one parameter, a string: then JavaScript may give the string itself."""
    parameters = reflection.parameters(method)
    return len(parameters) == 1 and reflection.hints(method)[parameters[0].name] is str


def bind(method: Callable[..., Any], values: Sequence[Any]) -> dict[str, Any]:
    """Arguments of `method` (an unbound function with `self`) by name, converted from JSON values in its order.

    Raises `InputError` in the original's words: a wrong number of arguments, or `parameter i: expected …, got …`.
    """
    parameters = reflection.parameters(method)
    required = sum(p.default is inspect.Parameter.empty for p in parameters)
    if not required <= len(values) <= len(parameters):
        wanted = str(required) if required == len(parameters) else f"{required} to {len(parameters)}"
        raise InputError(f"Expected {wanted} parameters, got {len(values)}")
    annotations = reflection.hints(method)
    pairs = zip(parameters, values, strict=False)
    return {p.name: convert(value, annotations[p.name], f"parameter {i}") for i, (p, value) in enumerate(pairs)}


def array_of(text: str) -> list[Any]:
    """Parameters from a JSON array; the error is in the original's words."""
    try:
        values = parse_json(text, where="arguments")
    except LoomError as error:
        raise InputError(f"Invalid JSON input: {error}") from error
    if not isinstance(values, list):
        raise InputError("Invalid JSON input: expected an array of parameters")
    return values


def convert(value: Any, annotation: Any, where: str) -> Any:
    """One JSON value as the annotated Python type; `InputError` at `where` if it is another."""
    if annotation is Any:
        return value
    if annotation == Floats:
        return _floats(value, where)
    if is_shared(annotation):
        return _referred(value, annotation, where)
    if annotation is TrainingBatch:
        return as_batch(value, where)
    if annotation is TrainingConfig:
        return as_config(value)
    if isinstance(annotation, type) and issubclass(annotation, reflection.ReadsJson):
        return annotation.from_json(value, where)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        rest = [a for a in arguments if a is not type(None)]
        if value is None and len(rest) < len(arguments):
            return None
        return convert(value, next(a for a in rest if reflection.crosses(a)), where)
    if origin is np.ndarray:
        return _floats(value, where)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if origin in (list, Sequence):
        if not isinstance(value, list):
            raise _mismatch("array", value, where)
        return [convert(item, arguments[0], f"{where}[{i}]") for i, item in enumerate(value)]
    if origin in (dict, Mapping) or annotation is dict:
        if not isinstance(value, dict):
            raise _mismatch("object", value, where)
        if arguments and is_shared(arguments[1]):
            return {key: convert(item, arguments[1], f"{where}.{key}") for key, item in value.items()}
        return value
    return _scalar(value, annotation, where)


def refer(value: Any) -> dict[str, Any]:
    """How a shared object is written in JSON; it is kept until its handle is released."""
    return {HANDLE: keep(value), "class": type(value).__name__}


def _referred(value: Any, annotation: type, where: str) -> Any:
    """The shared object that `refer` wrote."""
    name = shared_name(annotation)
    handle = value.get(HANDLE) if isinstance(value, dict) else None
    if isinstance(handle, bool) or not isinstance(handle, (int, float)):
        raise _mismatch(f"a {name}", value, where)
    try:
        return take(int(handle), annotation)
    except InputError as error:
        raise InputError(f"expected a {name}: {error.message}", where=where) from error


def _scalar(value: Any, annotation: Any, where: str) -> Any:
    if annotation is bool:
        if isinstance(value, bool) or (isinstance(value, (int, float)) and value in (0, 1)):
            return bool(value)
        raise _mismatch("bool", value, where)
    if annotation is str:
        if isinstance(value, str):
            return value
        raise _mismatch("string", value, where)
    if annotation in (int, float, Duration):
        kind = "float" if annotation is float else "int"
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _mismatch(kind, value, where)
        if kind == "float":
            return float(value)
        if not math.isfinite(value) or value != int(value) or abs(value) > INTEGER_LIMIT:
            raise InputError(f"expected int, got {value}", where=where)
        return int(value)
    raise InputError(f"unsupported type {reflection.type_name(annotation)}", where=where)


def _floats(value: Any, where: str) -> Any:
    """Numbers, nested or flat; strings and booleans inside are refused."""
    if isinstance(value, np.ndarray):
        return value
    if not isinstance(value, list):
        raise _mismatch("array", value, where)
    _check_items(value, where, 0)
    return value


def _check_items(items: list[Any], where: str, depth: int) -> None:
    for i, item in enumerate(items):
        if isinstance(item, list) and depth < 8:
            _check_items(item, f"{where}[{i}]", depth + 1)
        elif isinstance(item, np.ndarray):
            continue  # a typed array is checked where it is used
        elif isinstance(item, bool) or not isinstance(item, (int, float)):
            message = f"invalid slice element type: expected float, got {json_type(item)}"
            raise InputError(message, where=f"{where}[{i}]")


def _mismatch(expected: str, value: Any, where: str) -> InputError:
    return InputError(f"expected {expected}, got {json_type(value)}", where=where)


def to_json_text(value: Any) -> str:
    """JSON of anything a method returns; float32 arrays as the shortest decimals that read back to the same bits."""
    if isinstance(value, np.ndarray):
        return _array_text(value)
    if value is None or isinstance(value, (bool, int, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError("the result is not a finite number, which JSON cannot hold", where="result")
        return json.dumps(value)
    if isinstance(value, np.generic):
        return to_json_text(value.item()) if not isinstance(value, np.floating) else _array_text(value.reshape(1))[1:-1]
    if is_shared(type(value)):
        return json.dumps(refer(value))
    if hasattr(value, "to_json"):
        return to_json_text(value.to_json())
    if is_dataclass(value) and not isinstance(value, type):
        return to_json_text(asdict(value))
    if isinstance(value, Mapping):
        parts = (f"{json.dumps(str(k), ensure_ascii=False)}:{to_json_text(v)}" for k, v in value.items())
        return "{" + ",".join(parts) + "}"
    if isinstance(value, (list, tuple)):
        if all(type(v) is float and math.isfinite(v) for v in value):
            return json.dumps(value, separators=(",", ":"))
        return "[" + ",".join(map(to_json_text, value)) + "]"
    raise InputError(f"a result of type {type(value).__name__} cannot be written as JSON", where="result")


def _array_text(a: np.ndarray) -> str:
    if a.dtype.kind == "f" and not np.isfinite(a).all():
        raise InputError("the result holds NaN or infinity, which JSON cannot hold", where="result")
    if a.ndim > 1:
        return "[" + ",".join(map(_array_text, a)) + "]"
    return "[" + ",".join(a.astype(str).tolist()) + "]"
