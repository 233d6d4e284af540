"""Where the time of a program goes: milliseconds, bytes and operations of every kernel, by the shapes it runs on.

    profile = profile_program(program, device, state)
    print(profile)

The calls of one kernel on the same shapes make a row. They are replayed together and alone, as often as it takes for a
clock to measure them, and the best of some runs counts. So a row is what its calls cost one after another; that they
add up to a whole replay is for the reader to see, both are given.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import DeviceError
from ..progress import to_end
from ..values import whole
from .counts import Call, bytes_moved, multiply_adds, shapes_text
from .device import Device
from .parts import Divisible, NumpyParts, Parts
from .pending import Waiting, settle
from .program import Program
from .tensor import Array, DeviceTensor

ENOUGH = 0.01
"""Seconds that a measured run should take: browsers' clocks may tick in milliseconds."""
MOST_STEPS = 1000
HEADS = ("kernel", "shapes", "calls", "ms", "share", "GB/s", "GFLOP/s")
MOST_SHAPES = 56
"""Characters of the shapes in a table."""


@dataclass(frozen=True, kw_only=True)
class ProfileRow:
    """The calls of one kernel on the same shapes, in one replay.

    - `calls`: how many there are. Calls that a device joins into one are one.
    - `ms`: milliseconds of all of them; `share`: of the sum of all rows, 0 … 1.
    - `bytes`: what they read and write at least; `gb_per_second`: that, by their time.
    - `operations`: twice the multiply-adds of products of matrices, 0 for other kernels; `gflops`: that by their time,
      in 10⁹ a second.
    """

    kernel: str
    shapes: str
    calls: int
    ms: float
    share: float
    bytes: int
    operations: int
    gb_per_second: float
    gflops: float


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Where the time of one replay goes; `str` gives a table.

    - `program`, `device`: what ran, and where.
    - `rows`: the slowest first.
    - `replay_ms`: milliseconds of a whole replay; `kernels_ms`: the sum of the rows.
    """

    program: str
    device: str
    replay_ms: float
    kernels_ms: float
    rows: list[ProfileRow] = field(default_factory=list[ProfileRow])

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"text": str(self)}

    def __str__(self) -> str:
        lines = [HEADS, *(_cells(row) for row in self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(HEADS))]
        title = (
            f"{self.program}, on {self.device}: {self.replay_ms:.3f} ms a replay, {self.kernels_ms:.3f} ms in kernels"
        )
        return "\n".join([title, *("  ".join(_aligned(line, widths)).rstrip() for line in lines)])


@dataclass(frozen=True)
class Measured:
    """So many rows of all are measured."""

    loaded: int
    total: int


def _cells(row: ProfileRow) -> tuple[str, ...]:
    shapes = row.shapes if len(row.shapes) <= MOST_SHAPES else f"{row.shapes[: MOST_SHAPES - 1]}…"
    rate = f"{row.gb_per_second:.1f}" if row.ms else ""
    gflops = f"{row.gflops:.1f}" if row.operations and row.ms else ""
    return row.kernel, shapes, str(row.calls), f"{row.ms:.3f}", f"{row.share:.1%}", rate, gflops


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Words to the left, numbers to the right."""
    return [cell.ljust(n) if i < 2 else cell.rjust(n) for i, (cell, n) in enumerate(zip(line, widths, strict=True))]


def profile_program(
    program: Program,
    device: Device | None = None,
    state: Mapping[str, ArrayLike] | None = None,
    inputs: Mapping[str, ArrayLike] | None = None,
    *,
    repeats: int = 3,
    **dynamics: float,
) -> Profile:
    """Profile a program. Where values do not matter to the time, zeros will do: they are the default.

    **Arguments:**

    - `device`: None for NumPy.
    - `state`, `inputs`: by name; what is missing is zero. The given arrays stay as they are.
    - `repeats`: runs whose best counts.
    - `dynamics`: as in a replay.

    Raises `DeviceError` if the device cannot run the program, or cannot replay parts of one.
    """
    return to_end(profile_steps(program, device, state, inputs, repeats=repeats, **dynamics))


def profile_steps(
    program: Program,
    device: Device | None = None,
    state: Mapping[str, ArrayLike] | None = None,
    inputs: Mapping[str, ArrayLike] | None = None,
    *,
    repeats: int = 3,
    **dynamics: float,
) -> Generator[Waiting | Measured, None, Profile]:
    """`profile_program` for callers that can wait."""
    arrays = {name: _array(program, index, (state or {}).get(name)) for name, index in program.state.items()}
    values = {name: _array(program, index, (inputs or {}).get(name)) for name, index in program.inputs.items()}
    tensors: dict[str, DeviceTensor] = {}
    parts: Parts | None = None
    try:
        if device is None:
            parts = NumpyParts(program, arrays)
        else:
            for name, array in arrays.items():
                tensors[name] = device.upload(array)
            parts = compiled_parts(device, program, tensors)
        return (yield from measure(parts, device_text(device), values, dynamics, repeats=repeats))
    finally:
        if parts is not None:
            parts.free()
        if device is not None:
            for tensor in tensors.values():
                device.free(tensor)


def _array(program: Program, index: int, given: ArrayLike | None) -> Array:
    """A copy of what is given for a buffer, or zeros."""
    buffer = program.buffers[index]
    return np.zeros(buffer.shape, buffer.dtype) if given is None else np.array(given, buffer.dtype)


def compiled_parts(device: Device, program: Program, state: Mapping[str, DeviceTensor], **options: Any) -> Parts:
    """`Divisible.compile_parts`. Raises `DeviceError` for a device that does not offer it."""
    if isinstance(device, Divisible):
        return device.compile_parts(program, state, **options)
    raise DeviceError("cannot replay parts of a program", where=device.name, remedy="Profile it on another device.")


def device_text(device: Device | None) -> str:
    """A device's name, with its threads where it has several."""
    if device is None:
        return "numpy"
    threads = device.info().get("threads", 1)
    return f"{device.name}, {threads} threads" if threads != 1 else device.name


def measure(
    parts: Parts,
    device: str,
    inputs: Mapping[str, ArrayLike],
    dynamics: Mapping[str, float],
    *,
    repeats: int = 3,
) -> Generator[Waiting | Measured, None, Profile]:
    """Time a program's rows and its whole replay; state is changed as the program changes it, many times over."""
    whole(repeats, "repeats", 1, 1000)
    yield from settle(parts.submit(inputs, **dynamics))  # what it refuses, it refuses here
    clock = _Clock(parts, repeats)
    replay = yield from clock.seconds(range(len(parts.parts)))
    numbers = {**parts.program.dynamics, **dynamics}
    calls_of = [[Call(parts.program, d, parts.stored, numbers) for d in run] for run in parts.parts]
    groups: dict[tuple[str, str], list[int]] = {}
    for i, calls in enumerate(calls_of):
        groups.setdefault((calls[0].dispatch.kernel, _shapes(calls)), []).append(i)
    timed: dict[tuple[str, str], float] = {}
    for key, members in groups.items():
        timed[key] = yield from clock.seconds(members)
        yield Measured(len(timed), len(groups))
    total = sum(timed.values())
    rows: list[ProfileRow] = []
    for (kernel, shapes), members in groups.items():
        calls = [call for i in members for call in calls_of[i]]
        seconds = timed[kernel, shapes]
        nbytes, operations = sum(map(bytes_moved, calls)), 2 * sum(map(multiply_adds, calls))
        rows.append(
            ProfileRow(
                kernel=kernel,
                shapes=shapes,
                calls=len(members),
                ms=1e3 * seconds,
                share=seconds / total if total else 0.0,
                bytes=nbytes,
                operations=operations,
                gb_per_second=nbytes / seconds / 1e9 if seconds else 0.0,
                gflops=operations / seconds / 1e9 if seconds else 0.0,
            )
        )
    rows.sort(key=lambda row: -row.ms)
    return Profile(program=parts.program.name, device=device, replay_ms=1e3 * replay, kernels_ms=1e3 * total, rows=rows)


def _shapes(calls: Sequence[Call]) -> str:
    if len(calls) == 1:
        return shapes_text(calls[0])
    first = next(iter(calls[0].tensors()), None)
    elements = 0 if first is None else sum(call.size(first[0]) for call in calls)
    return f"{len(calls)} tensors together, {elements} elements"


class _Clock:
    """Seconds of parts: repeated until a run takes long enough, without what the call itself takes."""

    def __init__(self, parts: Parts, repeats: int) -> None:
        self._parts, self._repeats = parts, repeats
        self._empty: float | None = None

    def _once(self, members: Sequence[int], steps: int) -> Generator[Waiting, None, float]:
        start = time.perf_counter()
        yield from settle(self._parts.submit_parts(members, steps))
        return time.perf_counter() - start

    def _overhead(self) -> Generator[Waiting, None, float]:
        """Seconds of a call that does nothing."""
        if self._empty is None:
            tries: list[float] = []
            for _ in range(self._repeats + 2):
                tries.append((yield from self._once((), 1)))
            self._empty = min(tries)
        return self._empty

    def seconds(self, members: Sequence[int]) -> Generator[Waiting, None, float]:
        """The best seconds of one replay of these parts."""
        empty = yield from self._overhead()
        steps, passed = 1, (yield from self._once(members, 1))
        while passed - empty < ENOUGH and steps < MOST_STEPS:
            factor = ENOUGH / max(passed - empty, ENOUGH / 16)
            steps = min(MOST_STEPS, max(2 * steps, int(steps * factor) + 1))
            passed = yield from self._once(members, steps)
        best = passed
        for _ in range(self._repeats - 1):
            best = min(best, (yield from self._once(members, steps)))
        return max(best - empty, 0.0) / steps
