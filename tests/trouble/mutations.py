"""Damage to saved programs that knows their structure; this file also runs inside a page, where only LOOM is.

`mutate` damages a program, `attempt` loads it and runs what loads on NumPy and on a device.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from loom_py.errors import LoomError
from loom_py.formats.program_file import load_program
from loom_py.runtime.device import Device
from loom_py.runtime.kernel import KERNELS
from loom_py.runtime.kernels.activation import ACTIVATIONS
from loom_py.runtime.kernels.loss import LOSSES
from loom_py.runtime.program import Program
from loom_py.runtime.replay import replay

SECONDS = 2.0
"""What no damaged program may take longer than, in each of `TRIES` runs: what is slow by nature is slow each time."""
TRIES = 3
GOOD = ("refused", "loaded", "ran")
"""Outcomes of `attempt` that are none of a fault."""
SMALL = 2**22
"""Elements of inputs and state that `attempt` makes; programs that want more are only loaded."""

# --- damage ---------------------------------------------------------------------------------------------------------
SMALL_NUMBERS = [0, 1, -1, 2, 3, 5, 7, -4000, 4096, 65536, 10**6, 0.5, -0.0]
NUMBERS = [*SMALL_NUMBERS, 2**31 - 1, 2**31, 2**32, 2**53, 10**30, 1e308, 1e39]
ODD = [None, True, "", "x", [], {}, {"ref": 0}, {"list": []}, {"number": "nan"}, {"number": "inf"}, {"ref": -1}, [1]]
DTYPES = ["float32", "float64", "int32", "int64", "uint8", "bool", "F16", "Q4_0", "object"]
KINDS = ["input", "state", "constant", "temporary", "other"]
Edit = Callable[[dict[str, Any], random.Random], None]


def _number(old: Any, rng: random.Random) -> Any:
    if isinstance(old, (int, float)) and not isinstance(old, bool) and rng.random() < 0.4:
        return rng.choice([old + 1, old - 1, -old, old * 2, old * 1000])
    return rng.choice(NUMBERS) if rng.random() < 0.8 else rng.choice(ODD)


def _extent(r: dict[str, Any], rng: random.Random) -> None:
    shape = rng.choice(r["buffers"])["shape"]
    if not shape or rng.random() < 0.1:
        shape.insert(rng.randint(0, len(shape)), _number(1, rng))
    elif rng.random() < 0.1:
        del shape[rng.randrange(len(shape))]
    else:
        at = rng.randrange(len(shape))
        shape[at] = _number(shape[at], rng)


def _every_extent(r: dict[str, Any], rng: random.Random) -> None:
    """One number everywhere, so that much still fits."""
    sizes = sorted({n for b in r["buffers"] for n in b["shape"] if isinstance(n, int)})
    old, new = rng.choice(sizes or [1]), _number(rng.choice(sizes or [1]), rng)

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: v if k in ("ref", "data", "shape") and k != "shape" else walk(v) for k, v in value.items()}
        if isinstance(value, list):
            return [walk(v) for v in value]
        return new if value == old and type(value) is int else value

    for b in r["buffers"]:
        b["shape"] = walk(b["shape"])
    for d in r["dispatches"]:
        d["arguments"] = walk(d["arguments"])


def _buffer(r: dict[str, Any], rng: random.Random) -> None:
    b = rng.choice(r["buffers"])
    match rng.randrange(5):
        case 0:
            b["dtype"] = rng.choice(DTYPES)
        case 1:
            b["kind"] = rng.choice(KINDS)
        case 2:
            b["source"] = rng.choice([-2, -1, 0, rng.randrange(len(r["buffers"])), len(r["buffers"]), 10**9])
        case 3:
            b["offset"] = _number(b.get("offset", 0), rng)
        case _:
            b.pop(rng.choice([*b]))


def _argument(r: dict[str, Any], rng: random.Random) -> None:
    d = rng.choice(r["dispatches"])
    a = d["arguments"]
    if not a:
        return
    name = rng.choice([*a])
    value = a[name]
    match rng.randrange(8):
        case 0:
            del a[name]
        case 1:
            a[rng.choice(["axis", "x", "name", "extra"])] = value
        case 2 | 3 if isinstance(value, dict) and "ref" in value:
            a[name] = {"ref": rng.choice([-1, rng.randrange(len(r["buffers"])), len(r["buffers"]), 2**40])}
        case 4 if isinstance(value, dict) and "list" in value and value["list"]:
            parts = value["list"]
            rng.choice([parts.pop, lambda: parts.append(parts[0]), lambda: rng.shuffle(parts), parts.clear])()
        case 5 if isinstance(value, str):
            a[name] = rng.choice([*ACTIVATIONS, *LOSSES, "", "\u0000", "x" * 1000])
        case 6 if r["dynamics"]:
            a[name] = {"dynamic": rng.choice([*r["dynamics"], "none"])}
        case _:
            a[name] = _number(value, rng)


def _nested_number(r: dict[str, Any], rng: random.Random) -> None:
    """A number somewhere inside the arguments of one dispatch: a start, a stride, a shape."""
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in items:
            if isinstance(inner, (int, float)):
                places.append((value, key))
            walk(inner)

    for d in r["dispatches"]:
        walk(d["arguments"])
    if places:
        value, key = rng.choice(places)
        value[key] = _number(value[key], rng)


def _dispatch(r: dict[str, Any], rng: random.Random) -> None:
    all_ = r["dispatches"]
    at = rng.randrange(len(all_))
    d = all_[at]
    match rng.randrange(9):
        case 0:
            del all_[at]
        case 1:
            all_.insert(rng.randrange(len(all_)), json.loads(json.dumps(d)))
        case 2:
            other = rng.randrange(len(all_))
            all_[at], all_[other] = all_[other], all_[at]
        case 3:
            all_.reverse()
        case 4:
            d["kernel"] = rng.choice([*KERNELS, "", "__class__"])
        case 5:
            d["outputs"] = [_number(o, rng) for o in d["outputs"]] or [0]
        case 6:
            d["outputs"] = [rng.randrange(len(r["buffers"])) for _ in d["outputs"]]
        case 7:
            d["changes"] = rng.choice([[], [0], [rng.randrange(len(r["buffers"]))], d["changes"] * 2])
        case _:
            d["outputs"] = d["outputs"][:-1] if rng.random() < 0.5 else d["outputs"] * 2


def _name(r: dict[str, Any], rng: random.Random) -> None:
    table = r[rng.choice(["inputs", "outputs", "state", "dynamics", "constants"])]
    if not table:
        table["new"] = 0
        return
    key = rng.choice([*table])
    match rng.randrange(4):
        case 0:
            del table[key]
        case 1:
            table[rng.choice(["", "x", "row", "9" * 12, "lr"])] = table[key]
        case 2 if isinstance(table[key], int):
            table[key] = rng.randrange(len(r["buffers"]))
        case _:
            table[key] = _number(table[key], rng)


def _constant(r: dict[str, Any], rng: random.Random) -> None:
    if not r["constants"]:
        return _name(r, rng)
    c = rng.choice([*r["constants"].values()])
    if not isinstance(c, dict):
        return None
    match rng.randrange(4):
        case 0:
            c["dtype"] = rng.choice(DTYPES)
        case 1:
            c["shape"] = [_number(n, rng) for n in c["shape"]]
        case 2:
            c["data"] = rng.choice(["", "AAAA", "!", "A" * 4 * len(c["data"])])
        case _:
            text = list(c["data"])
            if text:
                text[rng.randrange(len(text))] = rng.choice("AZaz09+/")
            c["data"] = "".join(text)
    return None


EDITS: list[Edit] = [
    _extent, _extent, _every_extent, _buffer, _argument, _argument, _nested_number, _nested_number, _dispatch,
    _dispatch, _name, _constant,
]  # fmt: skip


def mutate(text: str, rng: random.Random) -> str:
    """The program with one to three faults, or now and then with a damaged line of text."""
    record = json.loads(text)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        try:
            rng.choice(EDITS)(record, rng)
        except (KeyError, TypeError, IndexError, AttributeError, ValueError):
            continue  # an earlier fault took away what this one wanted to change
    damaged = json.dumps(record)
    if rng.random() < 0.03:
        lines = damaged.replace(", ", ",\n").split("\n")
        at = rng.randrange(len(lines))
        lines[at:at] = rng.choice([[lines[at]], [lines[at]] * 50, []])
        del lines[at + 1 : at + 1 + rng.choice([0, 1, 3])]
        damaged = "\n".join(lines)
    return damaged


# --- what comes of it ------------------------------------------------------------------------------------------------
def attempt(text: str, device: Device | None) -> str:
    """Load and run a program: "refused", "loaded", "ran", or what was wrong. Anything but a typed error is."""
    outcome, seconds = "", []
    while len(seconds) < TRIES:
        start = time.process_time()
        outcome = _outcome(text, device)
        seconds.append(time.process_time() - start)
        if seconds[-1] <= SECONDS:
            return outcome
    return f"{outcome} after {min(seconds):.1f} s"


def _outcome(text: str, device: Device | None) -> str:
    try:
        with np.errstate(all="ignore"):  # numbers may be absurd
            return _attempt(text, device)
    except LoomError:
        return "refused"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _attempt(text: str, device: Device | None) -> str:
    program = load_program(text)
    owned = {name: program.buffers[index] for name, index in (program.inputs | program.state).items()}
    if sum(b.size for b in owned.values()) > SMALL:
        return "loaded"
    values = {name: np.full(b.shape, 1.0 if name in program.inputs else 0.25, b.dtype) for name, b in owned.items()}
    inputs = {name: values[name] for name in program.inputs}
    state = {name: values[name].copy() for name in program.state}
    expected = replay(program, inputs, state)
    if device is not None and device.supports(program) is None:
        _on_device(program, inputs, {name: values[name] for name in program.state}, device, expected)
    return "ran"


def _on_device(
    program: Program, inputs: dict[str, Any], state: dict[str, Any], device: Device, expected: dict[str, Any]
) -> None:
    """Run it between two tensors that nothing may touch."""
    guard = np.arange(4096, dtype=np.float32)
    fences = [device.upload(guard)]
    tensors = {name: device.upload(array) for name, array in state.items()}
    fences.append(device.upload(guard))
    executable = None
    try:
        executable = device.compile(program, tensors)
        fences.append(device.upload(guard))
        executable.run(inputs)
        actual = executable.run(inputs)
        assert {n: a.shape for n, a in actual.items()} == {n: a.shape for n, a in expected.items()}, "shapes differ"
        assert all(np.array_equal(device.download(fence), guard) for fence in fences), "wrote out of bounds"
    finally:
        if executable is not None:
            executable.free()
        for tensor in (*tensors.values(), *fences):
            device.free(tensor)


def campaign(
    texts: Mapping[str, str], seed: int, numbers: range, device: Device | None
) -> Iterator[tuple[int, str, str, str]]:
    """Damaged programs: (number, kind, text, outcome). The seed and the number alone say what the damage is."""
    names = [*texts]
    for number in numbers:
        name = names[number % len(names)]
        damaged = mutate(texts[name], random.Random(f"{seed}.{number}"))
        yield number, name, damaged, attempt(damaged, device)
