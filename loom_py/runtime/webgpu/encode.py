"""From a `Program` to a `Plan`.

Kernels are functions in the family files that register themselves with `@encodes` and call `Encoder.run` for each
dispatch.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DeviceError
from ..program import Dispatch, Dyn, Program, Ref
from . import shaders
from .plan import Number, Plan, Slice, aligned, padded

Encode = Callable[["Encoder", Dispatch], None]
KERNELS: dict[str, Encode] = {}
"""Kernel of the vocabulary → the function that makes its dispatches."""

MAX_GROUPS = 65535


def encodes(*names: str) -> Callable[[Encode], Encode]:
    """Register the encoder of one or several kernels."""

    def add(function: Encode) -> Encode:
        for name in names:
            KERNELS[name] = function
        return function

    return add


@dataclass(frozen=True)
class Sized:
    """A tensor that is no buffer of the program: an operand for the dispatches of one kernel call."""

    place: Slice
    shape: tuple[int, ...]


class Encoder:
    """Makes the dispatches of a program, and assigns its temporaries buffers, which are reused when they are free.

    **Arguments:**

    - `places`: buffer index → the location of state, inputs and constants.
    - `storage`: buffer index → how its elements are stored, where that is not its dtype.
    - `constant`: keeps an array on the device for as long as the plan lives.
    - `limits`: the host's.
    """

    def __init__(
        self,
        program: Program,
        places: dict[int, Slice],
        storage: dict[int, str],
        constant: Callable[[NDArray[Any]], Slice],
        limits: dict[str, int],
    ) -> None:
        self.program = program
        self.storage = storage
        self.limits = limits
        self.plan = Plan(program.name)
        self.parts: list[int] = []
        """Where the plan's dispatches for each dispatch of the program begin."""
        self._places = places
        self._constant = constant
        self._kept: dict[Any, Slice] = {}
        self._pipelines: dict[str, int] = {}
        self._numbers: dict[Any, int] = {}
        self._uniforms: dict[bytes, int] = {}
        self._spans = program.lifetimes()
        self._free: list[int] = []
        self._busy: dict[int, list[int]] = {}  # dispatch → the plan's own buffers that are free after it
        self._at = 0

    def encode(self) -> Plan:
        """All dispatches, in order."""
        for at, d in enumerate(self.program.dispatches):
            self._at = at
            self.parts.append(len(self.plan.dispatches))
            for index in d.outputs:
                root = self.program.root(index)
                if root not in self._places:
                    self._places[root] = self._own(self.program.buffers[root].nbytes, self._spans[root][1])
                self._places[index] = self._places[root]
            KERNELS[d.kernel](self, d)
            self._free += self._busy.pop(self._at, [])
        return self.plan

    # --- memory -------------------------------------------------------------------------------------------------
    def _own(self, nbytes: int, until: int) -> Slice:
        size = padded(nbytes)
        fits = [b for b in self._free if self.plan.own[b] >= size]
        if fits:
            buffer = min(fits, key=self.plan.own.__getitem__)
        elif self._free:
            buffer = max(self._free, key=self.plan.own.__getitem__)
        else:
            buffer = len(self.plan.own)
            self.plan.own.append(0)
        if buffer in self._free:
            self._free.remove(buffer)
        self.plan.own[buffer] = max(self.plan.own[buffer], size)
        self._busy.setdefault(until, []).append(buffer)
        return Slice(buffer, size, kind="own")

    def scratch(self, nbytes: int) -> Slice:
        """Memory that only the dispatches of this kernel call use."""
        return self._own(nbytes, self._at)

    def temporary(self, shape: tuple[int, ...]) -> Sized:
        """As `scratch`, for float32 of that shape."""
        return Sized(self.scratch(4 * prod(shape)), shape)

    def keep(self, key: Any, make: Callable[[], NDArray[Any]]) -> Slice:
        """A constant with these values, made once for each key."""
        if key not in self._kept:
            self._kept[key] = self._constant(make())
        return self._kept[key]

    # --- operands -----------------------------------------------------------------------------------------------
    def place(self, operand: Any) -> Slice:
        """The location of a tensor."""
        if isinstance(operand, Sized):
            return operand.place
        return self._places[operand.index if isinstance(operand, Ref) else int(operand)]

    def shape(self, operand: Any) -> tuple[int, ...]:
        if isinstance(operand, Sized):
            return operand.shape
        return self.program.buffers[operand.index if isinstance(operand, Ref) else int(operand)].shape

    def size(self, operand: Any) -> int:
        """Number of elements."""
        return prod(self.shape(operand))

    def wanted(self, output: int) -> bool:
        """Whether a result of this kernel call is read."""
        return self._spans[self.program.root(output)][1] > self._at

    def stored(self, operand: Ref) -> str:
        """`float32`, `int32`, or a storage such as `Q4_1`."""
        return self.storage.get(operand.index, self.program.buffers[operand.index].dtype)

    def value(self, operand: Ref) -> NDArray[Any]:
        """A constant's values. Raises `DeviceError` if it is no constant."""
        constant = self.program.constants.get(operand.index)
        if constant is None:
            raise DeviceError("a constant is expected here", where=f"%{operand.index} of {self.program.name}")
        return constant

    # --- numbers ------------------------------------------------------------------------------------------------
    def slot(self, value: Any, key: str = "", derive: Callable[[Any], Any] | None = None) -> int:
        """Slot of a number, dynamic or not, or of `derive(number)`; `key` distinguishes derivations."""
        request = (str(value), key)
        if request not in self._numbers:
            self._numbers[request] = len(self.plan.slots)
            given = _number(value)
            self.plan.slots.append((lambda numbers: derive(given(numbers))) if derive else given)
        return self._numbers[request]

    def vector(self, value: Any, key: str, length: int, derive: Callable[[Any], Any]) -> Slice:
        """`length` floats computed from a number at each replay: `derive` takes (steps,) to (steps, length).

        If the number is not dynamic, they are a constant.
        """
        if not isinstance(value, Dyn):
            return self.keep((key, value), lambda: np.asarray(derive(np.array([value])), np.float32))
        request = (str(value), key)
        if request not in self._numbers:
            self._numbers[request] = len(self.plan.vectors)
            given = _number(value)
            self.plan.vectors.append((length, lambda numbers: derive(np.atleast_1d(given(numbers)))))
        return Slice(self._numbers[request], padded(4 * length), kind="vector")

    # --- dispatches ---------------------------------------------------------------------------------------------
    def run(
        self,
        shader: str,
        entry: str,
        groups: int | tuple[int, int] | tuple[int, int, int],
        constants: Mapping[str, float] | None = None,
        **values: Any,
    ) -> None:
        """One dispatch: buffers and numbers by their names in the shader."""
        source = shaders.shader(shader)
        x, y, z = (*((groups,) if isinstance(groups, int) else groups), 1, 1)[:3]
        if max(x, y, z) > MAX_GROUPS:
            many = f"{x}×{y}×{z} workgroups"
            raise DeviceError(f"{shader} needs {many}", where=self.program.name, remedy="Use less data.")
        words = bytearray()
        for name, kind in source.fields.items():
            value = values.pop(name)
            words += struct.pack("<f", value) if kind == "f32" else struct.pack("<I", int(value) & 0xFFFFFFFF)
        bound: list[tuple[int, Slice]] = []
        layout: list[list[Any]] = []
        for name, (binding, written) in source.buffers.items():
            if name == "dynamics":
                layout.append([binding, "row"])
            elif name in values:
                bound.append((binding, self._slice(values.pop(name))))
                layout.append([binding, "write" if written else "read"])
        if values:
            raise DeviceError(f"{shader}.wgsl has no {', '.join(values)}", where=self.program.name)
        self._check(shader, bound, layout)
        at = -1
        if words:
            layout.append([0, "uniform"])
            at = self._uniform(bytes(words))
        pipeline = {"shader": shader, "entry": entry, "constants": dict(constants or {}), "layout": sorted(layout)}
        key = json.dumps(pipeline)
        if key not in self._pipelines:
            self._pipelines[key] = len(self.plan.pipelines)
            self.plan.pipelines.append(pipeline)
        self.plan.dispatches.append((self._pipelines[key], (x, y, z), at, bound))

    def _uniform(self, words: bytes) -> int:
        if words not in self._uniforms:
            self._uniforms[words] = len(self.plan.uniforms)
            self.plan.uniforms += words.ljust(aligned(len(words)), b"\0")
        return self._uniforms[words]

    def elements(self, n: int, size: int = 256) -> int:
        """Workgroups for a grid-stride loop over n elements."""
        return min(max(-(-n // size), 1), MAX_GROUPS)

    def _slice(self, value: Any) -> Slice:
        return value if isinstance(value, Slice) else self.place(value)

    def _check(self, shader: str, bound: list[tuple[int, Slice]], layout: list[list[Any]]) -> None:
        """Check WebGPU's own rules first: no buffer both read and written, no binding beyond the limit."""
        access = {binding: kind for binding, kind in layout}
        written = {(s.buffer, s.kind) for b, s in bound if access[b] == "write"}
        others = [(s.buffer, s.kind) for b, s in bound if access[b] == "read"]
        if len(written) + len(others) < len(bound) or written & set(others):
            raise DeviceError(f"{shader} would read and write one buffer", where=self.program.name, remedy="Copy it.")
        limit = self.limits["maxStorageBufferBindingSize"]
        for _, s in bound:
            if s.nbytes > limit:
                raise DeviceError(
                    f"{shader} needs {s.nbytes:,} bytes of one buffer, this device binds {limit:,}",
                    where=self.program.name,
                    remedy="Use a smaller batch, context or model, or another device.",
                )


def _number(value: Any) -> Number:
    if isinstance(value, Dyn):
        return lambda numbers: np.asarray(numbers[value.name], np.float64)
    return lambda numbers: float(value)
