"""What need not be done: a program for this device without results that nobody reads and copies that a view can be.

Tensors lie in one linear memory, so a slice whose bytes are contiguous is an address, a concatenation of such slices
needs no copy if its parts are made in place, and zeros that nobody changes are written once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ..program import Dispatch, Program, Ref


def simplify(program: Program) -> tuple[Program, dict[int, int]]:
    """An equivalent program, and for each buffer that shares another's bytes where in it it begins, in bytes."""
    made = replace(
        program, buffers=list(program.buffers), dispatches=_needed(program), constants=dict(program.constants)
    )
    views = _Views(made)
    made.dispatches = [d for at, d in enumerate(made.dispatches) if not views.replaces(at, d)]
    return made, {b.index: views.offset(b.index) for b in made.buffers if made.root(b.index) != b.index}


def _needed(program: Program) -> list[Dispatch]:
    """Dispatches that change something or whose results are read, without reshapes, which are views already."""
    needed = {program.root(i) for i in program.outputs.values()}
    kept = []
    for d in reversed(program.dispatches):
        if d.kernel != "reshape" and (d.changes or any(program.root(i) in needed for i in d.outputs)):
            kept.append(d)
            needed |= {program.root(i) for i in d.reads()}
    return kept[::-1]


class _Views:
    """Buffers that become parts of others. A buffer and its views must never be seen to differ."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._shifts: dict[int, int] = {}  # bytes from where its source begins
        self._reads: dict[int, list[int]] = {}
        self._changes: dict[int, list[int]] = {}
        for at, d in enumerate(program.dispatches):
            for index in d.reads():
                self._reads.setdefault(index, []).append(at)
            for index in d.changes:
                self._changes.setdefault(index, []).append(at)
        for index in program.outputs.values():  # read after everything
            self._reads.setdefault(index, []).append(len(program.dispatches))
        self._members: dict[int, set[int]] = {}
        for b in program.buffers:
            self._members.setdefault(program.root(b.index), set()).add(b.index)

    def offset(self, index: int) -> int:
        """Bytes from where its root begins."""
        source = self._program.buffers[index].source
        own = self._shifts.get(index, 0)
        return own if source in (-1, index) else own + self.offset(source)

    def replaces(self, at: int, d: Dispatch) -> bool:
        """Make a view (or a constant) of what dispatch number `at` would copy, if that is safe."""
        match d.kernel:
            case "zeros":
                return self._constant(d.outputs[0])
            case "concat":
                return self._parts(at, d)
            case "narrow":
                x, axis = d.arguments["x"], d.arguments["axis"]
                unit = self._unit(x.index, axis)
                return unit > 0 and self._view(at, d.outputs[0], x.index, d.arguments["start"] * unit)
            case "sum":
                x, axis = d.arguments["x"], d.arguments["axis"]
                one = self._program.buffers[x.index].shape[axis] == 1
                return one and self._view(at, d.outputs[0], x.index, 0)
        return False

    def _unit(self, index: int, axis: int) -> int:
        """Bytes of one step along an axis; 0 if a slice of it is not contiguous."""
        buffer = self._program.buffers[index]
        axis %= len(buffer.shape)
        itemsize = 4 if buffer.dtype in ("float64", "int64") else np.dtype(buffer.dtype).itemsize
        return itemsize * int(np.prod(buffer.shape[axis + 1 :])) if np.prod(buffer.shape[:axis]) == 1 else 0

    def _all(self, where: dict[int, list[int]], members: Iterable[int]) -> list[int]:
        return [at for index in members for at in where.get(index, ())]

    def _join(self, index: int, source: int, shift: int) -> None:
        """Buffer `index`, so far a root, becomes part of `source`."""
        self._program.buffers[index] = replace(self._program.buffers[index], source=source)
        self._shifts[index] = shift
        self._members[self._program.root(source)] |= self._members.pop(index)

    def _view(self, at: int, index: int, source: int, shift: int) -> bool:
        """A slice. Neither may be read once the other has changed."""
        root = self._program.root(source)
        mine, theirs = self._members[index], self._members[root]
        end = len(self._program.dispatches) + 1
        my_change = min(self._all(self._changes, mine), default=end)
        their_change = min((c for c in self._all(self._changes, theirs) if c > at), default=end)
        if my_change < end and self._program.buffers[root].kind != "temporary":
            return False
        if max(self._all(self._reads, theirs), default=-1) >= my_change:
            return False
        if max(self._all(self._reads, mine), default=-1) >= their_change:
            return False
        self._join(index, source, shift)
        return True

    def _parts(self, at: int, d: Dispatch) -> bool:
        """A concatenation: its parts are made where they belong."""
        whole, parts = d.outputs[0], [ref.index for ref in d.arguments["parts"] if isinstance(ref, Ref)]
        unit = self._unit(whole, d.arguments["axis"])
        roots = [self._program.root(i) for i in parts]
        buffers = self._program.buffers
        if not unit or len(set(roots)) < len(roots):
            return False
        for part, root in zip(parts, roots, strict=True):
            if buffers[root].kind != "temporary" or buffers[root].nbytes != buffers[part].nbytes:
                return False
        if any(c > at for c in self._all(self._changes, set().union(*(self._members[r] for r in (whole, *roots))))):
            return False
        shift = 0
        for part, root in zip(parts, roots, strict=True):
            self._join(root, whole, shift)
            shift += unit * buffers[part].shape[d.arguments["axis"]]
        return True

    def _constant(self, index: int) -> bool:
        """Zeros that stay zero."""
        if self._all(self._changes, self._members[self._program.root(index)]):
            return False
        buffer = self._program.buffers[index]
        self._program.buffers[index] = replace(buffer, kind="constant", source=-1)
        self._program.constants[index] = np.zeros(buffer.shape, buffer.dtype)
        return True
