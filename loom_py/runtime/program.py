"""A `Program`: a whole unit of work (a forward pass, a training step) as a flat list of kernel calls.

Tracing records it and devices replay it: buffers with shapes, dtypes and lifetimes, *dispatches* in order, and names
for the inputs, the outputs, the state that stays from one replay to the next, and the few numbers that change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .guards import is_tuple

Kind = Literal["input", "state", "constant", "temporary"]
ALIGNMENT = 16


@dataclass(frozen=True)
class Buffer:
    """Storage for one tensor, or part of another's.

    `source` is the buffer whose storage it shares (a reshape, a slice), −1 or its own index for none; it begins
    `offset` elements after that one does.
    """

    index: int
    shape: tuple[int, ...]
    dtype: str
    kind: Kind
    name: str = ""
    source: int = -1
    offset: int = 0

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of a tensor of a NumPy dtype."""
        return self.size * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Ref:
    """An operand: the buffer with that index."""

    index: int


@dataclass(frozen=True)
class Dyn:
    """A dynamic parameter, filled in at each replay."""

    name: str


@dataclass(frozen=True)
class Dispatch:
    """One kernel call: arguments by the kernel's parameter names, buffers it writes, buffers it changes in place."""

    kernel: str
    arguments: Mapping[str, Any]
    outputs: tuple[int, ...]
    changes: tuple[int, ...] = ()

    @cached_property
    def reads(self) -> tuple[int, ...]:
        """Indices of all buffers among the arguments."""
        indices: list[int] = []
        for value in self.arguments.values():
            if isinstance(value, Ref):
                indices.append(value.index)
            elif is_tuple(value):
                indices += [operand.index for operand in value if isinstance(operand, Ref)]
        return tuple(indices)

    def ref(self, name: str) -> Ref:
        """The argument `name`, which is a tensor."""
        operand: Ref = self.arguments[name]
        return operand


@dataclass
class Program:
    """See the module. `constants` and the initial `state` are held by buffer index; shapes never change."""

    name: str
    buffers: list[Buffer] = field(default_factory=list[Buffer])
    dispatches: list[Dispatch] = field(default_factory=list[Dispatch])
    inputs: dict[str, int] = field(default_factory=dict[str, int])
    outputs: dict[str, int] = field(default_factory=dict[str, int])
    state: dict[str, int] = field(default_factory=dict[str, int])
    dynamics: dict[str, float] = field(default_factory=dict[str, float])
    constants: dict[int, NDArray[Any]] = field(default_factory=dict[int, NDArray[Any]])

    def count(self) -> Counter[str]:
        """How often each kernel runs."""
        return Counter(d.kernel for d in self.dispatches)

    def lifetimes(self) -> dict[int, tuple[int, int]]:
        """Temporary → (dispatch that makes it, last dispatch that reads it); outputs live to the end.

        A view lives in its source, whose lifetime covers both.
        """
        spans: dict[int, tuple[int, int]] = {}
        end = len(self.dispatches)
        for at, d in enumerate(self.dispatches):
            for index in (*d.outputs, *d.reads):
                root = self.root(index)
                if self.buffers[root].kind == "temporary":
                    start, _ = spans.get(root, (at, at))
                    spans[root] = (start, at)
        for index in self.outputs.values():
            root = self.root(index)
            if root in spans:
                spans[root] = (spans[root][0], end)
        return spans

    def root(self, index: int) -> int:
        """The buffer that owns the bytes of buffer `index`."""
        while self.buffers[index].source not in (-1, index):
            index = self.buffers[index].source
        return index

    def offset(self, index: int) -> int:
        """Offset from the beginning of its root, in elements."""
        offset = 0
        while self.buffers[index].source not in (-1, index):
            offset += self.buffers[index].offset
            index = self.buffers[index].source
        return offset

    def plan(self, *, reuse: bool = True) -> tuple[dict[int, int], int]:
        """Temporary → byte offset in one arena, and the arena's size.

        Best fit over the free gaps, in order of first use; buffers that live at the same time never overlap. Without
        `reuse` all live to the end, so that each dispatch can be repeated with the operands that it had.
        """
        offsets: dict[int, int] = {}
        alive: list[tuple[int, int, int]] = []  # offset, size, end
        total = 0
        for index, (start, last_use) in sorted(self.lifetimes().items(), key=lambda item: item[1]):
            size = -(-self.buffers[index].nbytes // ALIGNMENT) * ALIGNMENT
            alive = [taken for taken in alive if taken[2] >= start]
            taken = sorted((offset, length) for offset, length, _ in alive)
            best, cursor = None, 0
            for offset, length in taken:
                gap = offset - cursor
                if gap >= size and (best is None or gap < best[1]):
                    best = (cursor, gap)
                cursor = max(cursor, offset + length)
            offsets[index] = best[0] if best else cursor
            alive.append((offsets[index], size, last_use if reuse else len(self.dispatches)))
            total = max(total, offsets[index] + size)
        return offsets, total

    def __str__(self) -> str:
        """One line a dispatch: `%7 = matmul(a=%3, b=state layers.0.kernel, …)   (4, 16) float32`."""
        lines = [f"program {self.name}: {len(self.dispatches)} dispatches"]
        for d in self.dispatches:
            arguments = ", ".join(f"{name}={self._show(value)}" for name, value in d.arguments.items())
            results = [self.buffers[i] for i in d.outputs]
            left = f"{', '.join(f'%{b.index}' for b in results)} = " if results else ""
            right = "   ".join(f"{b.shape} {b.dtype}" for b in results)
            lines.append(f"  {left}{d.kernel}({arguments})   {right}".rstrip())
        lines += [f"  return {', '.join(f'{name}=%{i}' for name, i in self.outputs.items())}"]
        return "\n".join(lines)

    def _show(self, value: Any) -> str:
        if is_tuple(value):
            return f"[{', '.join(map(self._show, value))}]"
        if isinstance(value, Dyn):
            return f"<{value.name}>"
        if isinstance(value, Ref):
            buffer = self.buffers[value.index]
            return f"{buffer.kind} {buffer.name}" if buffer.name else f"%{buffer.index}"
        return f"{value:g}" if isinstance(value, float) else str(value)
