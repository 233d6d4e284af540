"""Python annotations, docstrings and JSON results as TypeScript."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loom_py.bridge.calls import CLASSES, class_of
from loom_py.marks import Duration, Floats, is_shared
from loom_py.network import reflection
from loom_py.network.loading import build_network_from_json
from loom_py.observe import RecordingObserver
from loom_py.observe.adaptation import AdaptationTracker
from loom_py.stepping import stepping_steps
from loom_py.tween import TweenState, tween_epochs

_SCALARS: dict[Any, str] = {
    int: "number",
    float: "number",
    str: "string",
    bool: "boolean",
    Duration: "Nanoseconds",
    type(None): "null",
}


def type_of(annotation: Any, *, result: bool = False) -> str:
    """An annotation as a TypeScript type, as an argument or as a result."""
    if annotation == Floats:
        return "number[]" if result else "Floats"
    if annotation == NDArray[Any]:  # arrays keep their batch axis
        return "number[][]" if result else "Floats"
    if isinstance(annotation, typing.Hashable) and annotation in _SCALARS:
        return _SCALARS[annotation]
    if is_shared(annotation):
        return " | ".join(kinds(annotation))  # type: ignore[arg-type]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        if set(typing.get_args(Floats)) <= set(arguments):  # `Floats | None`, flattened by typing
            return ("number[]" if result else "Floats") + (" | null" if type(None) in arguments else "")
        alternatives = [a for a in arguments if typing.get_origin(a) not in (dict, Mapping)] or list(arguments)
        if alternatives == [type(None)]:
            alternatives = list(arguments)
        return " | ".join(dict.fromkeys(type_of(a, result=result) for a in alternatives))
    if origin in (list, Sequence):
        item = type_of(arguments[0], result=result)
        item = f"({item})" if "|" in item else item
        return f"{item}[]" if result else f"readonly {item}[]".replace("readonly readonly", "readonly")
    if origin in (dict, Mapping):
        return f"Record<string, {type_of(arguments[1], result=result)}>"
    if origin is tuple:
        return f"[{', '.join(type_of(a, result=result) for a in arguments)}]"
    name = getattr(annotation, "__name__", "")
    if name in {"TrainingBatch", "TrainingConfig", *samples()}:
        return name
    return "Record<string, unknown>" if hasattr(annotation, "from_json") else "unknown"


def kinds(annotation: type) -> list[str]:
    """Names of the shared classes that objects of this one can have: its own, or those derived from it."""
    name = annotation.__name__
    return [name] if name in CLASSES else [other for other in CLASSES if issubclass(class_of(other), annotation)]


def doc(text: str, indent: str = "") -> str:
    """A comment; empty without text."""
    lines = inspect.cleandoc(text).replace("*/", "* /").splitlines()
    if not lines:
        return ""
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    return f"{indent}/**\n" + "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines) + f"{indent} */\n"


def methods(cls: type) -> str:
    """`NetworkMethods`: the reflected methods on JSON values."""
    parts = []
    for public, member, hints in _members(cls):
        parameters = ", ".join(
            f"{p.name}{'?' * (p.default is not inspect.Parameter.empty)}: {type_of(hints[p.name])}"
            for p in reflection.parameters(member)
        )
        result = type_of(hints["return"], result=True)
        parts.append(f"{doc(inspect.getdoc(member) or '', '  ')}  {public}({parameters}): {result};")
    head = "/** Every reflected method of a network, on JSON values: what `network.call` takes and gives. */\n"
    return f"{head}export interface NetworkMethods {{\n" + "\n".join(parts) + "\n}"


def calling_form(cls: type) -> list[str]:
    """The methods in the original's calling form."""
    flat = cls.__name__ != "Network"  # other objects give arrays without a batch axis
    parts = []
    for public, member, hints in _members(cls):
        parameters = reflection.parameters(member)
        optional = all(p.default is not inspect.Parameter.empty for p in parameters)
        returns = hints["return"]
        results = list(typing.get_args(returns)) if typing.get_origin(returns) is tuple else [returns]
        results = [] if returns in (None, type(None)) else results
        texts = ", ".join(_held(r) for r in results)
        texts = f"value: {texts}, error?: string" if len(results) == 1 else texts
        arguments = ", ".join(f"{p.name}: {type_of(hints[p.name])}" for p in parameters)
        taken = ", ".join("number[]" if flat and r == NDArray[Any] else type_of(r, result=True) for r in results)
        lines = [inspect.getdoc(member) or ""]
        lines += [f"@param args JSON of [{arguments}]"] if parameters else []
        lines += (
            [f"@returns JSON of {taken}" if len(results) == 1 else f"@returns JSON of each of [{taken}]"]
            if results
            else []
        )
        args = f"args{'?' * optional}: string"
        parts.append(f"{doc(chr(10).join(lines), '  ')}  {public}({args}): Results<[{texts}]>;")
    return parts


def _held(annotation: Any) -> str:
    """A result in the original's form: JSON text, or an object."""
    return f"Loom{annotation.__name__}" if is_shared(annotation) else "string"


def local(cls: type, skip: frozenset[str] = frozenset(), more: str = "") -> str:
    """`LoomNetwork`, `LoomStepState` …: an object on the page's thread, in both forms."""
    name = f"Loom{cls.__name__}"
    head = doc(
        f"{(inspect.getdoc(cls) or '').split(chr(10) * 2)[0]}\n\n"
        "Small letters take and give plain values. Capitals are the original's calling form: parameters as one JSON\n"
        "array string, results as JSON texts; a wrong call returns a string that says why."
    )
    plain = plain_methods(cls, skip, remote=False)
    base = "" if more else " extends LoomObject"
    lines = [*calling_form(cls), *plain]
    return f"{head}export interface {name}{base} {{\n{more}" + "\n".join(lines) + "\n}"


def remote(cls: type) -> str:
    """`StepState` …: an object in the worker."""
    head = doc((inspect.getdoc(cls) or "").split("\n\n")[0])
    lines = plain_methods(cls, frozenset(), remote=True)
    return f"{head}export interface {cls.__name__} extends RemoteObject {{\n" + "\n".join(lines) + "\n}"


def plain_methods(cls: type, skip: frozenset[str], *, remote: bool) -> list[str]:
    """The methods on plain values: `getOutput(): Float32Array`, in the worker as promises."""
    parts = []
    for public, member, hints in _members(cls):
        name = "asJSON" if public == "ToJSON" else public[0].lower() + public[1:]
        if name in skip:
            continue
        arguments = [
            f"{p.name}{'?' * (p.default is not inspect.Parameter.empty)}: {_argument_type(hints[p.name], remote)}"
            for p in reflection.parameters(member)
        ]
        returned = _plain(hints["return"], remote)
        if remote and public in _PROGRESS:
            arguments.append(
                f"control?: {{ onProgress?: (progress: {_PROGRESS[public]}) => void; signal?: AbortSignal }}"
            )
        result = f"Promise<{returned}>" if remote else returned
        parts.append(f"{doc(inspect.getdoc(member) or '', '  ')}  {name}({', '.join(arguments)}): {result};")
    return parts


_PROGRESS = {
    "Play": "Record<string, unknown>",
    "Profile": "Record<string, number>",
    "TimeLayers": "Record<string, unknown>",
    "TrainWithStepping": "SteppingProgress",
    "TrainWithTweening": "TweenEpochMetrics",
}


def _argument_type(annotation: Any, remote: bool) -> str:
    """A parameter on plain values: arrays may be typed ones."""
    return _local_names(type_of(annotation), remote).replace("Floats", "Values")


def _plain(annotation: Any, remote: bool) -> str:
    """A result on plain values: an array of numbers is a typed one."""
    if annotation in (None, type(None)):
        return "null"
    if annotation == Floats or typing.get_origin(annotation) is np.ndarray:
        return "Float32Array"
    return _local_names(type_of(annotation, result=True).replace("Nanoseconds", "number"), remote)


def _local_names(text: str, remote: bool) -> str:
    return text if remote else re.sub(rf"\b({'|'.join(CLASSES)})\b", r"Loom\1", text)


def constructors() -> str:
    """`LoomClasses`: the arguments and the result of `create`, by class."""
    parts = []
    for name in CLASSES:
        if name == "Network":
            continue
        cls = class_of(name)
        constructor = cls.__init__ if "__init__" in vars(cls) else None
        hints = reflection.hints(constructor) if constructor else {}
        arguments = [
            f"{p.name}{'?' * (p.default is not inspect.Parameter.empty)}: {type_of(hints[p.name])}"
            for p in (reflection.parameters(constructor) if constructor else [])
        ]
        parts.append(f"  {name}: {{ arguments: [{', '.join(arguments)}]; object: {name} }};")
    head = "/** What `session.create` takes, and the object that it makes, by the name of its class. */\n"
    return f"{head}export interface LoomClasses {{\n" + "\n".join(parts) + "\n}"


def _members(cls: type) -> list[tuple[str, Callable[..., Any], dict[str, Any]]]:
    members = [(public, reflection.member(cls, public)) for public in sorted(reflection.methods(cls))]
    return [(public, member, reflection.hints(member)) for public, member in members if member]


# --- options --------------------------------------------------------------------------------------------------------
def pascal(name: str) -> str:
    """`learning_rate` → `LearningRate`."""
    return reflection.public_name(name)


def camel(name: str) -> str:
    """`learning_rate` → `learningRate`."""
    first, *rest = name.split("_")
    return first + "".join(reflection.public_name(word) for word in rest)


def options(cls: type, name: str, spell: Callable[[str], str]) -> str:
    """A dataclass of options as an interface; fields without a JSON form are left out."""
    hints = typing.get_type_hints(cls)
    described = _bullets(inspect.getdoc(cls) or "")
    parts = []
    for field in dataclasses.fields(cls):
        text = described.get(field.name, "")
        if "Callable" in str(field.type) or field.name == "progress":
            continue
        parts.append(f"{doc(text, '  ')}  {spell(field.name)}?: {_option_type(hints[field.name])};")
    head = doc(
        (inspect.getdoc(cls) or "").split("\n\n")[0].split(". ")[0].rstrip(".")
        + "; what is left out keeps its default."
    )
    return f"{head}export interface {name} {{\n" + "\n".join(parts) + "\n}"


def _option_type(annotation: Any) -> str:
    """An option: classes of options may be given as objects."""
    parts = (
        typing.get_args(annotation)
        if typing.get_origin(annotation) in (typing.Union, types.UnionType)
        else [annotation]
    )
    if annotation in (Floats, Sequence[Floats]):
        return type_of(annotation)
    names = [type_of(p) for p in parts]
    names = ["Record<string, unknown>" if n == "unknown" else n for n in names]
    return " | ".join(dict.fromkeys(names))


def _bullets(text: str) -> dict[str, str]:
    """Descriptions in a docstring's list: "- `a`, `b`: text"; the names may share one."""
    results: dict[str, str] = {}
    for names, description in re.findall(r"^- (`[^:]*?`): (.*?)(?=^- |\Z|^\S)", text, re.MULTILINE | re.DOTALL):
        plain = " ".join(textwrap.dedent(description).split())
        results |= dict.fromkeys(re.findall(r"`(\w+)`", names), plain)
    return results


# --- results --------------------------------------------------------------------------------------------------------
@cache
def samples() -> dict[str, tuple[Any, list[Any]]]:
    """Result class name → (class, the values of `to_json` in real runs)."""
    config = {"layers": [{"type": "dense", "input_size": 2, "output_size": 2, "activation": "sigmoid"}]}
    network = build_network_from_json(config, seed=1)
    batches = [{"Input": [0.0, 1.0], "Target": [1.0, 0.0]}]
    checked = {"Epochs": 1, "EvaluateEveryN": 1, "ValidationInputs": [[0.0, 1.0]], "ValidationTargets": [0]}
    runs: list[Any] = [network.train(batches, {"Epochs": 1}), network.train(batches, checked)]
    runs += [network.evaluate_network([[0.0, 1.0]], [0]), network.evaluate_classification([[0.0, 1.0]], [0])]
    runs += [network.train_with_stepping({}, batches, 2), *stepping_steps(network, {}, batches, 2)]
    single = {"layers": [{"type": "dense", "input_size": 1, "output_size": 1}]}
    runs += stepping_steps(build_network_from_json(single, seed=1), {}, [{"Input": [0.0], "Target": [1.0]}], 2)
    steps = tween_epochs(TweenState(network), network, [[0.0, 1.0]], [0], 2, 0.1)
    epochs = [metrics for metrics in steps if metrics is not None]
    epochs.append(dataclasses.replace(epochs[0], pruned=("layers.0",)))
    tweened = network.train_with_tweening({}, [[0.0, 1.0]], [0], 2, 0.1)
    runs += [*epochs, dataclasses.replace(tweened, epoch_metrics=epochs)]
    runs += _watched(network)
    profile = network.profile(device="numpy", repeats=1, rows=1)
    runs += [profile, *profile.rows]
    groups: dict[str, tuple[Any, list[Any]]] = {}
    for run in runs:
        values = run.to_json() if hasattr(run, "to_json") else dataclasses.asdict(run)
        groups.setdefault(type(run).__name__, (type(run), []))[1].append(values)
    return groups


def _watched(network: Any) -> list[Any]:
    """Results of a tracker and of a recording."""
    ticks = iter(range(0, 10**9, 10**6))
    tracker = AdaptationTracker(1, 4, clock=lambda: next(ticks))
    tracker.schedule_task_change(1, 1, "b")
    tracker.start("a", 0)
    tracker.record_output(True)
    tracker.record_output(True)
    with network.observing(RecordingObserver("m")) as recording:
        network.forward([0.0, 1.0])
    return [tracker.finalize(), *tracker.get_windows(), recording.recorded()]


def results() -> list[str]:
    """Interfaces of all result classes."""
    interfaces: dict[str, str] = {}
    for name, (_, values) in sorted(samples().items()):
        interfaces[name] = shape(values)
    parts = []
    for name, text in interfaces.items():
        for other, inner in interfaces.items():
            if other != name:
                text = text.replace(inner.replace("\n", "\n  "), other)
        head = doc((inspect.getdoc(samples()[name][0]) or "").split("\n\n")[0])
        parts.append(f"{head}export interface {name} {text}")
    return parts


def shape(values: Sequence[Any]) -> str:
    """The type of observed JSON values."""
    kinds: list[str] = []
    if objects := [v for v in values if isinstance(v, dict)]:
        kinds.append(_object(objects))
    if arrays := [v for v in values if isinstance(v, list)]:
        inner = shape([item for a in arrays for item in a]) or "unknown"
        kinds.append(f"({inner})[]" if "|" in inner.split("{")[0] else f"{inner}[]")
    scalars = {bool: "boolean", int: "number", float: "number", str: "string", type(None): "null"}
    kinds += [scalars[type(v)] for v in values if type(v) in scalars]
    return " | ".join(dict.fromkeys(kinds))


def _object(values: Sequence[dict[str, Any]]) -> str:
    keys = list(dict.fromkeys(key for value in values for key in value))
    if not all(key.isidentifier() for key in keys):
        return f"Record<string, {shape([item for v in values for item in v.values()])}>"
    lines = []
    for key in keys:
        seen = [v[key] for v in values if key in v]
        lines.append(f"  {key}{'?' * (len(seen) < len(values))}: {shape(seen)};".replace("\n", "\n  "))
    return "{\n" + "\n".join(lines) + "\n}"
