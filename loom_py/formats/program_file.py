"""Programs as JSON text, so that a recorded network can be saved, sent and replayed without its Python code.

    {"fmt": "loomProgram", "version": 1, "name", "buffers": [{"shape", "dtype", "kind", "name", "source", "offset"}],
     "dispatches": [{"kernel", "arguments", "outputs", "changes"}], "inputs", "outputs", "state", "dynamics",
     "constants": {"<buffer>": {"dtype", "shape", "data"}}}

An argument is a JSON value, or an object with one key: `{"ref": buffer}`, `{"dynamic": name}`, `{"list": [...]}`,
`{"number": "inf"}`, `{"array": constant}`, `{"tree": {"groups", "paths"}}`. Array data are base64 of little-endian
bytes. State is named but not stored: weights have their own files.
"""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.audit import Limits, Unsound, audit
from ..runtime.kernel import KERNELS
from ..runtime.program import Buffer, Dispatch, Dyn, Program, Ref
from ..runtime.softmax_tree import Tree
from ..schema.fields import FILE, MAX_FLOAT, Fields, is_number, json_type
from ..schema.strict import parse_json

FORMAT, VERSION = "loomProgram", 1
DTYPES = ("float32", "float64", "int32", "int64", "uint8", "bool")
KINDS = ("input", "state", "constant", "temporary")
MAX_ELEMENTS = 2**31


def dump_program(program: Program) -> str:
    """The JSON text."""
    record = {
        "fmt": FORMAT,
        "version": VERSION,
        "name": program.name,
        "buffers": [
            {"shape": list(b.shape), "dtype": b.dtype, "kind": b.kind, "name": b.name, "source": b.source}
            | ({"offset": b.offset} if b.offset else {})
            for b in program.buffers
        ],
        "dispatches": [
            {
                "kernel": d.kernel,
                "arguments": {name: _argument(value) for name, value in d.arguments.items()},
                "outputs": list(d.outputs),
                "changes": list(d.changes),
            }
            for d in program.dispatches
        ],
        "inputs": program.inputs,
        "outputs": program.outputs,
        "state": program.state,
        "dynamics": {name: float(value) for name, value in program.dynamics.items()},
        "constants": {str(index): _array(values) for index, values in program.constants.items()},
    }
    return json.dumps(record, allow_nan=False)


def load_program(text: str | bytes, where: str = "program", *, limits: Limits | None = None) -> Program:
    """The reverse of `dump_program`. Everything is checked (`runtime.audit`); a `FormatError` names the JSON path.

    Raise `limits` for a large program of one's own: by default a replay takes seconds at most.
    """
    f = Fields(parse_json(text, where=where), file=where, rules=FILE)
    if f.string("fmt") != FORMAT or f.integer("version", minimum=0) != VERSION:
        raise f.error("is not a program of a known version", "fmt", remedy=f"Expected {FORMAT} {VERSION}.")
    program = Program(f.string("name"))
    for i, b in enumerate(f.objects("buffers", required=True)):
        dtype, kind = b.string("dtype"), b.string("kind")
        if dtype not in DTYPES:
            raise b.error(f"unknown dtype {dtype[:40]!r}", "dtype")
        if kind not in KINDS:
            raise b.error(f"unknown kind {kind[:40]!r}", "kind")
        source, offset = b.integer("source", minimum=-1), b.integer("offset", default=0, minimum=0)
        shape = _shape(b, "shape")
        # `kind` is one of the literals, as checked above.
        program.buffers.append(Buffer(i, shape, dtype, kind, b.string("name"), source, offset))  # type: ignore[arg-type]
    _named(f, program)
    for dispatch in f.objects("dispatches", required=True):
        program.dispatches.append(_dispatch(dispatch, program))
    for key, value in f.object("constants").values.items():
        index = _index(f, key, program, "constants", key)
        values = _read_array(f.child(value, "constants", key))
        buffer = program.buffers[index]
        if (values.shape, values.dtype.name) != (buffer.shape, buffer.dtype):
            raise f.error(f"is not {buffer.shape} {buffer.dtype} like its buffer", "constants", key)
        program.constants[index] = values
    missing = [b.index for b in program.buffers if b.kind == "constant" and b.index not in program.constants]
    if missing:
        raise f.error(f"buffer {missing[0]} is a constant without values", "constants")
    try:
        audit(program, limits)
    except Unsound as fault:
        raise f.error(fault.message, *fault.steps, remedy=fault.remedy) from None
    return program


def _named(f: Fields, program: Program) -> None:
    for field, kind in (("inputs", "input"), ("state", "state"), ("outputs", None)):
        target: dict[str, int] = getattr(program, field)
        for name, value in f.object(field).values.items():
            target[name] = index = _index(f, value, program, field, name)
            if kind is not None and program.buffers[index].kind != kind:
                raise f.error(f"buffer {index} is no {kind}", field, name)
    for name, value in f.object("dynamics").values.items():
        if not is_number(value):
            raise f.error(f"expected a number, got {json_type(value)}", "dynamics", name)
        if abs(value) > MAX_FLOAT:
            raise f.error("must be a number that float64 can hold", "dynamics", name)
        program.dynamics[name] = float(value)


def _dispatch(d: Fields, program: Program) -> Dispatch:
    kernel = d.string("kernel")
    if kernel not in KERNELS:
        raise d.error(f"unknown kernel {kernel[:40]!r}", "kernel")
    arguments = {
        name: _read_argument(d, value, program, ("arguments", name))
        for name, value in d.object("arguments").values.items()
    }
    outputs, changes = (
        tuple(_index(d, value, program, field, i) for i, value in enumerate(d.array(field)))
        for field in ("outputs", "changes")
    )
    return Dispatch(kernel, arguments, outputs, changes)


def _argument(value: Any) -> Any:
    if isinstance(value, Ref):
        return {"ref": value.index}
    if isinstance(value, Dyn):
        return {"dynamic": value.name}
    if isinstance(value, (tuple, list)):
        return {"list": [_argument(v) for v in value]}
    if isinstance(value, Tree):
        return {"tree": {"groups": _array(value.groups), "paths": _array(value.paths)}}
    if isinstance(value, np.ndarray):
        return {"array": _array(value)}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": str(value)}
    return value


def _read_argument(f: Fields, value: Any, program: Program, path: tuple[str | int, ...]) -> Any:
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise f.error("must be a value, or an object with one key", *path)
        return value
    if len(value) != 1:
        raise f.error("must have one key", *path)
    (kind, inner), *_ = value.items()
    if kind == "ref":
        return Ref(_index(f, inner, program, *path, kind))
    if kind == "dynamic":
        if not isinstance(inner, str) or inner not in program.dynamics:
            raise f.error("is no dynamic parameter of the program", *path, kind)
        return Dyn(inner)
    if kind == "list" and isinstance(inner, list):
        return tuple(_read_argument(f, v, program, (*path, kind, i)) for i, v in enumerate(inner))
    if kind == "number" and inner in ("inf", "-inf", "nan"):
        return float(inner)
    if kind == "array":
        return _read_array(f.child(inner, *path, kind))
    if kind == "tree":
        tree = f.child(inner, *path, kind)
        return Tree(**{name: _read_array(tree.object(name)) for name in ("groups", "paths")})
    raise f.error(f"unknown kind of argument {str(kind)[:40]!r}", *path)


def _array(values: NDArray[Any]) -> dict[str, Any]:
    little = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"))
    data = base64.b64encode(little.tobytes()).decode("ascii")
    return {"dtype": values.dtype.name, "shape": list(values.shape), "data": data}


def _read_array(f: Fields) -> NDArray[Any]:
    dtype = f.string("dtype")
    if dtype not in DTYPES:
        raise f.error(f"unknown dtype {dtype[:40]!r}", "dtype")
    shape = _shape(f, "shape")
    data = f.base64("data")
    kind = np.dtype(dtype).newbyteorder("<")
    nbytes = math.prod(shape) * kind.itemsize
    if len(data) != nbytes:
        raise f.error(f"holds {len(data)} bytes, {list(shape)} {dtype} needs {nbytes}", "data")
    return np.frombuffer(data, kind).reshape(shape).astype(dtype)


def _shape(f: Fields, key: str) -> tuple[int, ...]:
    shape = f.integers(key, maximum=MAX_ELEMENTS)
    if math.prod(shape) > MAX_ELEMENTS:
        raise f.error(f"has more than {MAX_ELEMENTS:,} elements", key)
    return tuple(shape)


def _index(f: Fields, value: Any, program: Program, *path: str | int) -> int:
    """A buffer's index, given as a number or as a key."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < len(program.buffers):
        raise f.error(f"is none of the {len(program.buffers)} buffers", *path)
    return value
