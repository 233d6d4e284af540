"""Calls by reflection: any method of any shared object, in the original's convention and on plain values."""

from __future__ import annotations

import importlib
import json
from typing import Any

import numpy as np

from ..errors import InputError, LoomError
from ..marks import Duration, is_shared
from ..network import reflection
from ..schema.fields import json_type, suggest
from .arrays import plain, put_back, to_js
from .objects import keep, take
from .tasks import Task
from .values import array_of, bind, takes_text, to_json_text

CLASSES = {
    "Network": "network.network",
    "ModelBundle": "network.model_bundle",
    "StepState": "stepping",
    "TweenState": "tween",
    "NetworkTween": "tween",
    "AdaptationTracker": "observe.adaptation",
    "AdaptationComparison": "observe.adaptation",
    "RecordingObserver": "observe",
    "StatisticsObserver": "observe",
    "ActivityObserver": "observe",
    "ConsoleObserver": "observe",
    "Toolbox": "analysis",
    "ChaseRun": "assess.live",
}
"""Shared classes and the modules they come from, imported when one is first asked for."""


def classes() -> str:
    """JSON: names of the classes whose objects JavaScript can hold."""
    return json.dumps(list(CLASSES))


def class_of(name: str) -> type:
    """A shared class by its name."""
    if not isinstance(name, str):
        raise InputError(f"expected a class's name, got {json_type(name)}", where="class")
    if name not in CLASSES:
        raise InputError(f"unknown class {name!r}", where="class", remedy=suggest(name, CLASSES))
    return getattr(importlib.import_module(f"loom_py.{CLASSES[name]}"), name)


def methods(name: str = "Network") -> str:
    """JSON: name, parameters, results and documentation of every method that objects of a class have."""
    return reflection.describe_json(class_of(name))


def members(name: str) -> str:
    """JSON of [public name, number of parameters, whether it is long work] for each of them."""
    cls = class_of(name)
    members = [(public, reflection.member(cls, public)) for public in sorted(reflection.methods(cls))]
    return json.dumps([[p, len(reflection.parameters(f)), steps_of(cls, f) is not None] for p, f in members if f])


def steps_of(cls: type, function: Any) -> Any:
    """The generator function that does a method's work in steps, or waits for a device: marked, or named `…_steps`."""
    return function.__dict__.get("steps") or getattr(cls, f"{function.__name__}_steps", None)


def create(name: str, arguments: str, arrays: Any = None) -> str:
    """JSON reference of a new object: its constructor takes the arguments in the order of its signature."""
    cls = class_of(name)
    if name == "Network":
        raise InputError("networks are made from a configuration", where="class", remedy="Use createNetwork.")
    constructor = cls.__init__ if "__init__" in vars(cls) else _nothing
    return to_json_text(cls(**bind(constructor, _given(arguments, arrays))))


def _nothing(self: object) -> None:
    """The constructor of a class that defines none."""


def call(handle: int, method: str, arguments: str) -> str:
    """Call a reflected method with a JSON array of arguments.

    Returns JSON `{"values": [text, …], "strings": [bool, …]}`: each result as JSON text, except that a string result
    is given as it is. A wrong call gives `{"error": message}`, and a method of one result that fails
    `{"values": [null, message]}`, like a Go `(value, error)` pair.

    A method of one string takes the bare string too; then `"bare": true` says that its result is wanted bare as well.
    """
    target = _target(handle)
    function = reflection.member(type(target), method)
    if function is None:
        return json.dumps({"error": f"method {method} not found"})
    bare = takes_text(function) and not arguments.lstrip().startswith("[")
    try:
        bound = bind(function, [arguments] if bare else array_of(arguments))
    except LoomError as error:
        return json.dumps({"error": str(error)})
    annotation = reflection.hints(function)["return"]
    returns = reflection.results(annotation)
    try:
        result = function(target, **bound)
        results = list(result) if reflection.several(annotation) else [result] if returns else []
        texts = [value if isinstance(value, str) else to_json_text(value) for value in results]
    except Exception as error:
        message = str(error) or type(error).__name__
        return json.dumps({"values": [None, message]} if len(returns) == 1 else {"error": message})
    answer = {"values": texts, "strings": [isinstance(value, str) for value in results]}
    return json.dumps(answer | {"bare": True} if bare else answer)


def call_values(handle: int, method: str, arguments: str, arrays: Any = None) -> str:
    """As `call`, for the promise API: JSON of the result (an array for several, null for none); errors are raised.

    The typed arrays in `arrays` stand where the arguments say so.
    """
    target, function = _reflected(handle, method)
    return to_json_text(function(target, **bind(function, _given(arguments, arrays))))


def call_plain(handle: int, method: str, arguments: str, arrays: Any = None) -> Any:
    """As `call_values`, with an array result as a flat `Float32Array`.

    Lengths of time are milliseconds, as everywhere in JavaScript.
    """
    target, function = _reflected(handle, method)
    result = function(target, **bind(function, _given(arguments, arrays)))
    if isinstance(result, np.ndarray) and result.dtype.kind == "f":
        return to_js(result.ravel())
    if reflection.hints(function)["return"] is Duration:
        result = result / 1e6
    return to_json_text(result)


def task_start(handle: int, method: str, arguments: str, arrays: Any = None) -> int:
    """Handle of a task that runs a long method step by step, with the method's own events and result."""
    target, function = _reflected(handle, method)
    steps = steps_of(type(target), function)
    if steps is None:
        raise InputError(f"{method} does not take long", where="method", remedy="Call it.")
    return keep(Task(steps(target, **bind(function, _given(arguments, arrays))), lambda event: event))


def call_start(handle: int, method: str, arguments: str, arrays: Any = None) -> int:
    """Handle of a task, for a method that is long work or waits for a device; 0 for one that `call_values` answers."""
    target, function = _reflected(handle, method)
    return task_start(handle, method, arguments, arrays) if steps_of(type(target), function) else 0


def _target(handle: int) -> Any:
    target = take(handle, object)
    if not is_shared(type(target)):
        raise InputError(f"is a {type(target).__name__}", where=f"handle {handle}")
    return target


def _reflected(handle: int, method: str) -> tuple[Any, Any]:
    target = _target(handle)
    function = reflection.member(type(target), method)
    if function is None:
        methods = reflection.methods(type(target))
        remedy = suggest(method, methods) if "ListMethods" not in methods else "ListMethods names them all."
        raise InputError(f"method {method} not found", remedy=remedy)
    return target, function


def _given(arguments: str, arrays: Any) -> list[Any]:
    """Arguments from JSON, with the typed arrays passed beside it."""
    values = array_of(arguments)
    converted = plain(arrays)
    return put_back(values, converted) if converted else values
