"""Recording: run layer code once with `TracingOps`, get a `Program`.

Tracing runs the NumPy kernels as it records them, so that every shape and dtype is known without a second description
of each kernel. Tensors are `Traced`: an array that remembers its buffer and refuses to give a Python branch its value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import LoomError
from .abstract import Abstract, is_abstract
from .guards import is_array, is_sequence
from .kernel import KERNELS, Kernel, results
from .ops import Ops
from .program import Buffer, Dispatch, Dyn, Kind, Program, Ref


class TraceError(LoomError, TypeError):
    """Layer code did something while tracing that cannot be replayed."""


class Dynamic(float):
    """A number called `name` that changes from replay to replay; plain arithmetic on it would freeze its value."""

    name: str
    value: float

    def __new__(cls, name: str, value: float) -> Self:
        dynamic = super().__new__(cls, value)
        dynamic.name, dynamic.value = name, value
        return dynamic

    def _frozen(self, *_: object) -> Any:
        raise TraceError(f"arithmetic on the dynamic parameter {self.name} would freeze its value", where=self.name)

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __pow__ = _frozen
    __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __int__ = _frozen


class Counter(Dynamic):
    """A count that a layer uses and then increments, once per replay: the caller of a replay gives the next value."""

    # Where floats return a float, a counter returns what no kernel of this program may use.
    def __add__(self, other: Any) -> AdvancedCounter:  # type: ignore[override]
        return AdvancedCounter(self.value + other)


class AdvancedCounter(float):
    """An incremented counter: it can be compared and stored, but no kernel of this program may use it."""

    def __add__(self, other: Any) -> AdvancedCounter:
        return AdvancedCounter(float(self) + other)


class Traced:
    """A tensor while tracing: shape and dtype, but no values for Python to branch on."""

    def __init__(self, value: NDArray[Any] | Abstract, index: int) -> None:
        self.concrete = value
        self.index = index
        self.shape: tuple[int, ...] = value.shape
        self.dtype = value.dtype
        self.ndim = value.ndim
        self.size = value.size

    def __len__(self) -> int:
        return self.shape[0]

    def _look(self, *_: object) -> Any:
        raise TraceError("a Python branch or conversion looked at a tensor's value", where=f"%{self.index}")

    __bool__ = __float__ = __int__ = __iter__ = __getitem__ = __array__ = _look
    __lt__ = __gt__ = __le__ = __ge__ = _look


class TracingOps(Ops):
    """`Ops` that record: every kernel that a layer calls goes through `record`."""

    def __init__(self, name: str) -> None:
        self.program = Program(name)
        self._constants: dict[int, Traced] = {}
        self._kept: list[Any] = []  # arrays whose id() is a key above must not be collected

    @classmethod
    def behind(cls, program: Program) -> Self:
        """Record behind the dispatches of a copy of a program, from its buffers' shapes alone."""
        ops = cls(program.name)
        ops.program = replace(
            program,
            buffers=list(program.buffers),
            dispatches=list(program.dispatches),
            inputs=dict(program.inputs),
            outputs=dict(program.outputs),
            constants=dict(program.constants),
        )
        return ops

    def recorded(self, index: int) -> Traced:
        """The tensor of a buffer that the program has."""
        buffer = self.program.buffers[index]
        return Traced(Abstract(buffer.shape, np.dtype(buffer.dtype)), index)

    def tensor(self, value: NDArray[Any] | Abstract, kind: Kind, name: str, *, copy: bool = True) -> Traced:
        """A named buffer: `input` or `state`. Tracing changes state, so by default it works on a copy.

        Results that depend on an `Abstract` are not computed either.
        """
        traced = self._new(value.copy() if copy and isinstance(value, np.ndarray) else value, kind, name)
        (self.program.inputs if kind == "input" else self.program.state)[name] = traced.index
        return traced

    def dynamic(self, name: str, value: float) -> Dynamic:
        """A number to be given at each replay; `value` is used while tracing."""
        self.program.dynamics[name] = value
        return Dynamic(name, value)

    def counter(self, name: str, value: int) -> Counter:
        """A dynamic number that layers may increment once."""
        self.program.dynamics[name] = value
        return Counter(name, value)

    def output(self, name: str, tensor: Traced) -> None:
        """Name a result."""
        self.program.outputs[name] = tensor.index

    def _new(self, value: NDArray[Any] | Abstract, kind: Kind, name: str = "", source: int = -1) -> Traced:
        index = len(self.program.buffers)
        self.program.buffers.append(Buffer(index, value.shape, value.dtype.name, kind, name, source))
        return Traced(value, index)

    def _constant(self, value: NDArray[Any]) -> Traced:
        recorded_constant = self._constants.get(id(value))
        if recorded_constant is None:
            recorded_constant = self._constants[id(value)] = self._new(np.array(value), "constant")
            self.program.constants[recorded_constant.index] = np.asarray(recorded_constant.concrete)
            self._kept.append(value)
        return recorded_constant

    def record(self, kernel: Kernel, /, *args: Any, **kwargs: Any) -> Any:
        """Call a kernel and record the dispatch."""
        bound = dict(zip(kernel.parameters, args, strict=False)) | kwargs
        recorded: dict[str, Any] = {}
        concrete: dict[str, Any] = {}
        for name, value in bound.items():
            if is_sequence(value) and any(isinstance(part, (Traced, np.ndarray)) for part in value):
                operands: list[Traced] = [self._constant(part) if is_array(part) else part for part in value]
                recorded[name] = tuple(Ref(operand.index) for operand in operands)
                concrete[name] = [operand.concrete for operand in operands]
            else:
                recorded[name], concrete[name] = self._argument(value)
        returned = (kernel.shapes if is_abstract(concrete.values()) else kernel.function)(**concrete)
        changes = tuple(
            ref.index
            for name in kernel.in_place
            for ref in (recorded[name] if isinstance(recorded[name], tuple) else (recorded[name],))
            if isinstance(ref, Ref)
        )
        source = recorded[kernel.view].index if kernel.view else -1
        arrays = [value if isinstance(value, Abstract) else np.asarray(value) for value in results(returned)]
        tensors = tuple(self._new(value, "temporary", source=source) for value in arrays)
        self.program.dispatches.append(Dispatch(kernel.name, recorded, tuple(t.index for t in tensors), changes))
        return tensors if isinstance(returned, tuple) else tensors[0] if tensors else None

    def _argument(self, value: Any) -> tuple[Any, Any]:
        """(the recorded argument, the value that the kernel is called with)."""
        if isinstance(value, Traced):
            return Ref(value.index), value.concrete
        if is_array(value):
            constant = self._constant(value)
            return Ref(constant.index), constant.concrete
        if isinstance(value, Dynamic):
            return Dyn(value.name), value.value
        if isinstance(value, AdvancedCounter):
            raise TraceError("a layer that counts its calls was called twice in one program")
        if is_sequence(value):
            return tuple(value), value
        return value, value


def _recorder(kernel: Kernel) -> Callable[..., Any]:
    def record(self: TracingOps, *args: Any, **kwargs: Any) -> Any:
        return self.record(kernel, *args, **kwargs)

    return record


for _kernel in KERNELS.values():
    setattr(TracingOps, _kernel.name, _recorder(_kernel))
