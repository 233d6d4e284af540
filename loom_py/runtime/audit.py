"""Whether a program from elsewhere can be run: before anything is computed, and at a cost of its length.

Devices trust a program: they bind shapes to addresses and check nothing again. So a program that was not recorded here
is run once without values. Every dispatch has the arguments that its kernel wants, in range; operands fit by the
kernel's own shape rule (`signature`), and results are what that rule gives; whatever is read was written before;
nothing is written over; and memory and work stay within limits.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, LoomError
from ..schema.fields import is_whole, shown
from .abstract import Abstract
from .guards import is_tuple
from .kernel import KERNELS, Kernel, results
from .program import Buffer, Dispatch, Dyn, Program, Ref
from .signature import Signature
from .softmax_tree import Tree

MAX_AXES = 16
MAX_VIEWS = 256
"""How deep views of views may lie in one another."""
LARGEST = 3.4028234e38
"""Numbers are float32 on devices."""
LARGEST_WHOLE = 2**53
ELEMENT, DISPATCH = 64, 10_000
"""An element of a result, and a call, take as long as this many multiplications in a product of matrices."""


@dataclass(frozen=True)
class Limits:
    """What a program may ask for.

    - `elements`: of all buffers but state, which the caller allocates.
    - `work`: of one replay, in multiplications of a product of matrices: some seconds in a page by default.
    - `dispatches`: how many kernel calls.
    """

    elements: int = 2**28
    work: int = 4 * 10**9
    dispatches: int = 20_000


class Unsound(LoomError):
    """What is wrong with a program; `steps` is the place in it."""

    def __init__(self, message: str, *steps: str | int, remedy: str = "") -> None:
        super().__init__(message, where=".".join(map(str, steps)), remedy=remedy)
        self.steps = steps


def audit(program: Program, limits: Limits | None = None) -> None:
    """Raises `Unsound` for the first fault."""
    _Audit(program, limits or Limits()).run()


class _Audit:
    def __init__(self, program: Program, limits: Limits) -> None:
        self._program, self._limits = program, limits
        self._roots: dict[int, tuple[int, int]] = {}  # buffer → (root, offset in it)
        self._written: dict[int, _Ranges] = {}  # root → elements that have values
        self._work = 0

    def run(self) -> None:
        program, limits = self._program, self._limits
        for buffer in program.buffers:
            self._check_buffer(buffer)
        self._check_names()
        elements = sum(b.size for b in program.buffers if b.kind != "state" and self._roots[b.index][0] == b.index)
        if elements > limits.elements:
            raise Unsound(
                f"hold {elements:,} elements besides state, more than the limit of {limits.elements:,}",
                "buffers",
                remedy="Raise the limit if you trust the program.",
            )
        if len(program.dispatches) > limits.dispatches:
            raise Unsound(
                f"are {len(program.dispatches):,}, more than the limit of {limits.dispatches:,}",
                "dispatches",
                remedy="Raise the limit if you trust the program.",
            )
        for at, dispatch in enumerate(program.dispatches):
            self._check_dispatch(dispatch, at)
        for name, index in program.outputs.items():
            self._require_written(index, "outputs", name)

    # --- buffers ------------------------------------------------------------------------------------------------
    def _check_buffer(self, buffer: Buffer) -> None:
        """Its shape; and of a view, that it lies inside its source."""
        place = ("buffers", buffer.index)
        if len(buffer.shape) > MAX_AXES or any(n < 1 for n in buffer.shape):
            raise Unsound(f"{list(buffer.shape)} must be at most {MAX_AXES} extents of at least 1", *place, "shape")
        chain = [buffer]
        while chain[-1].source not in (-1, chain[-1].index):
            view = chain[-1]
            if view.source >= len(self._program.buffers):
                raise Unsound(f"is none of the {len(self._program.buffers)} buffers", *place, "source")
            source = self._program.buffers[view.source]
            if len(chain) > MAX_VIEWS:
                raise Unsound("is part of itself, or of too many others", *place, "source")
            if view.kind != "temporary":
                raise Unsound(f"is {view.kind}, which has storage of its own", "buffers", view.index, "source")
            if source.dtype != view.dtype or view.offset + view.size > source.size:
                raise Unsound(f"does not lie inside buffer {source.index}", "buffers", view.index)
            chain.append(source)
        root = chain[-1].index
        self._roots[buffer.index] = root, sum(view.offset for view in chain[:-1])
        if root == buffer.index:
            self._written[root] = _Ranges()
            if buffer.kind != "temporary":
                self._written[root].add(0, buffer.size)

    def _check_names(self) -> None:
        """All inputs and state are named once, so that a replay can bind them."""
        for kind, names in (("input", self._program.inputs), ("state", self._program.state)):
            named = list(names.values())
            for buffer in self._program.buffers:
                if buffer.kind == kind and named.count(buffer.index) != 1:
                    raise Unsound(f"is {kind} and must have one name", "buffers", buffer.index)

    def _span(self, index: int) -> tuple[int, int, int]:
        """(root, first element, one past the last)."""
        root, offset = self._roots[index]
        return root, offset, offset + self._program.buffers[index].size

    def _require_written(self, index: int, *place: str | int) -> None:
        root, start, end = self._span(index)
        if not self._written[root].covers(start, end):
            raise Unsound(f"buffer {index} is read before anything is written there", *place)

    # --- dispatches ---------------------------------------------------------------------------------------------
    def _check_dispatch(self, dispatch: Dispatch, at: int) -> None:
        kernel, place = KERNELS[dispatch.kernel], ("dispatches", at)
        arguments = self._arguments(kernel, dispatch, at)
        operands = [*_operands(dispatch.arguments.values())]
        changes = tuple(ref.index for ref in _operands(dispatch.arguments.get(name) for name in kernel.in_place))
        if dispatch.changes != changes:
            raise Unsound(f"{dispatch.kernel} changes {list(changes)}", *place, "changes")
        for ref in operands:
            self._require_written(ref.index, *place, "arguments")
        try:
            inferred = results(kernel.shapes(**arguments))
        except InputError as error:
            raise Unsound(f"{dispatch.kernel}: {error.message}", *place, "arguments") from None
        buffers = [self._program.buffers[index] for index in dispatch.outputs]
        expected = [(tuple(r.shape), r.dtype.name) for r in inferred]
        if [(b.shape, b.dtype) for b in buffers] != expected:
            raise Unsound(f"{dispatch.kernel} makes {_shapes(expected)}", *place, "outputs")
        self._check_writes(kernel, dispatch, operands, at)
        cost = kernel.shapes.work(arguments) if isinstance(kernel.shapes, Signature) else 0
        self._work += DISPATCH + ELEMENT * sum(b.size for b in buffers) + cost
        if self._work > self._limits.work:
            raise Unsound(
                f"work as long as more than {self._limits.work:,} multiplications",
                "dispatches",
                remedy="Raise the limit if you trust the program.",
            )

    def _check_writes(self, kernel: Kernel, dispatch: Dispatch, operands: Sequence[Ref], at: int) -> None:
        """Results go where nothing is yet, or are a view; what is changed overlaps no other operand in part."""
        place = ("dispatches", at)
        spans = [self._span(ref.index) for ref in operands]
        for index in dispatch.outputs:
            root, start, end = self._span(index)
            if kernel.view:
                if (root, start, end) != self._span(dispatch.ref(kernel.view).index):
                    raise Unsound(f"buffer {index} must be a view of all of {kernel.view}", *place, "outputs")
                continue
            if self._program.buffers[root].kind != "temporary" or self._written[root].touches(start, end):
                raise Unsound(f"buffer {index} holds something already", *place, "outputs")
            self._written[root].add(start, end)
        for index in dispatch.changes:
            root, start, end = self._span(index)
            if self._program.buffers[root].kind not in ("temporary", "state"):
                raise Unsound(f"buffer {index} cannot be changed", *place, "changes")
            overlapping = {span for span in spans if span[0] == root and span[1] < end and start < span[2]}
            if overlapping != {(root, start, end)}:
                raise Unsound(f"buffer {index} overlaps what the call reads", *place, "changes")

    def _arguments(self, kernel: Kernel, dispatch: Dispatch, at: int) -> dict[str, Any]:
        """What the shape rule is called with: tensors without values, constants, numbers."""
        arguments: dict[str, Any] = {}
        for name in dispatch.arguments.keys() - set(kernel.parameters):
            raise Unsound(f"{kernel.name} has no argument {shown(name)}", "dispatches", at, "arguments")
        for name, parameter in inspect.signature(kernel.function).parameters.items():
            place = ("dispatches", at, "arguments", name)
            if name not in dispatch.arguments:
                if parameter.default is inspect.Parameter.empty:
                    raise Unsound(f"missing: {kernel.name} needs it", *place)
                arguments[name] = parameter.default
                continue
            value = dispatch.arguments[name]
            if isinstance(value, Dyn):
                if name not in kernel.dynamic:
                    raise Unsound(f"{kernel.name} needs a number that stays", *place)
                value = self._program.dynamics[value.name]
                value = int(value) if float(value).is_integer() else value  # saved as floats
            problem = ARGUMENTS[str(parameter.annotation)](value)
            if problem:
                raise Unsound(problem, *place)
            arguments[name] = self._resolved(value)
        return arguments

    def _resolved(self, value: Any) -> Any:
        if is_tuple(value):
            return [self._resolved(part) for part in value]
        if not isinstance(value, Ref):
            return value
        buffer = self._program.buffers[value.index]
        return self._program.constants.get(value.index, Abstract(buffer.shape, np.dtype(buffer.dtype)))


class _Ranges:
    """A set of whole numbers as ranges that do not touch, in order."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def add(self, start: int, end: int) -> None:
        before = [r for r in self._ranges if r[1] < start]
        after = [r for r in self._ranges if r[0] > end]
        joined = self._ranges[len(before) : len(self._ranges) - len(after)]
        whole = min([start, *(r[0] for r in joined)]), max([end, *(r[1] for r in joined)])
        self._ranges = [*before, whole, *after]

    def covers(self, start: int, end: int) -> bool:
        return any(first <= start and end <= last for first, last in self._ranges)

    def touches(self, start: int, end: int) -> bool:
        return any(first < end and start < last for first, last in self._ranges)


def _operands(values: Any) -> Iterator[Ref]:
    for value in values:
        yield from (part for part in (value if is_tuple(value) else (value,)) if isinstance(part, Ref))


def _shapes(tensors: Sequence[tuple[tuple[int, ...], str]]) -> str:
    return " and ".join(f"{shape} {dtype}" for shape, dtype in tensors) or "nothing"


# --- kinds of arguments, by their annotation ---------------------------------------------------------------------
def _tensor(value: Any) -> str:
    return "" if isinstance(value, Ref) else "must be a tensor"


def _number(value: Any) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and (value != value or math.isinf(value) or abs(value) <= LARGEST):
        return ""
    return "must be a number that float32 can hold"


def _whole(value: Any) -> str:
    return "" if is_whole(value, exact=True) and abs(value) <= LARGEST_WHOLE else "must be a whole number"


def _boolean(value: Any) -> str:
    return "" if isinstance(value, bool) else "must be true or false"


def _string(value: Any) -> str:
    return "" if isinstance(value, str) else "must be a string"


def _tree(value: Any) -> str:
    return "" if isinstance(value, Tree) else "must be a tree"


def _or_none(kind: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: "" if value is None else kind(value)


def _several(kind: Callable[[Any], str], length: int | None = None) -> Callable[[Any], str]:
    def problem(value: Any) -> str:
        if not is_tuple(value) or not value or length not in (None, len(value)):
            return f"must be a list{f' of {length}' if length else ''}"
        return next((fault for part in value if (fault := kind(part))), "")

    return problem


ARGUMENTS: dict[str, Callable[[Any], str]] = {
    "Array": _tensor,
    "Array | None": _or_none(_tensor),
    "Sequence[Array]": _several(_tensor),
    "Sequence[Array | None]": _several(_or_none(_tensor)),
    "Sequence[int]": lambda value: "" if value == () else _several(_whole)(value),
    "tuple[int, int]": _several(_whole, 2),
    "float": _number,
    "int": _whole,
    "bool": _boolean,
    "str": _string,
    "Tree": _tree,
}
"""Annotation of a kernel's parameter → what is wrong with a value, or "" for nothing."""
