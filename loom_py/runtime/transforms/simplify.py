"""Turning copies into views, for devices whose tensors lie in one linear memory.

There a slice of contiguous elements is an address, a concatenation of such slices needs no copy if its parts are
written in place, and zeros that nothing changes are written once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import prod

import numpy as np

from ..kernel import KERNELS
from ..program import Dispatch, Program, Ref
from .dead_code import remove_dead_code
from .walk import Uses


def simplify(program: Program) -> Program:
    """A program without dead code and reshapes, and without the copies that a `Buffer` with a `source` can be."""
    live = remove_dead_code(program)
    simple = replace(
        live,
        buffers=list(live.buffers),
        dispatches=[d for d in live.dispatches if not KERNELS[d.kernel].view],
        constants=dict(live.constants),
    )
    views = _Views(simple)
    simple.dispatches = [d for at, d in enumerate(simple.dispatches) if not views.replaces(at, d)]
    return simple


class _Views:
    """Makes buffers parts of others, changing `program`. No dispatch may see a buffer and its views differ."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._uses = Uses(program)
        self._members: dict[int, set[int]] = {}  # root → every buffer in its storage
        for b in program.buffers:
            self._members.setdefault(program.root(b.index), set()).add(b.index)

    def replaces(self, at: int, d: Dispatch) -> bool:
        """Replace the dispatch at this position, a copy, by a view (or a constant), if that is safe."""
        match d.kernel:
            case "zeros":
                return self._constant(d.outputs[0])
            case "concat":
                return self._parts(at, d)
            case "narrow":
                x = d.ref("x")
                unit = self._unit(x.index, self._axis(x.index, d))
                return unit > 0 and self._view(at, d.outputs[0], x.index, d.arguments["start"] * unit)
            case "sum":
                x, axis = d.ref("x"), self._axis(d.ref("x").index, d)
                one = self._program.buffers[x.index].shape[axis] == 1
                return one and self._view(at, d.outputs[0], x.index, 0)
            case _:
                return False

    def _axis(self, index: int, d: Dispatch) -> int:
        """The argument `axis`, counted from the front."""
        axis: int = d.arguments["axis"]
        return axis % len(self._program.buffers[index].shape)

    def _unit(self, index: int, axis: int) -> int:
        """Elements of one step along an axis; 0 if a slice of it is not contiguous."""
        shape = self._program.buffers[index].shape
        return prod(shape[axis + 1 :]) if prod(shape[:axis]) == 1 else 0

    def _changes(self, members: Iterable[int]) -> list[int]:
        return [at for index in members for at in self._uses.changes(index)]

    def _join(self, index: int, source: int, offset: int) -> None:
        """Make buffer `index`, so far a root, part of `source`."""
        self._program.buffers[index] = replace(self._program.buffers[index], source=source, offset=offset)
        self._members[self._program.root(source)] |= self._members.pop(index)

    def _view(self, at: int, index: int, source: int, offset: int) -> bool:
        """Make a slice a view. Neither buffer may be read once the other has changed."""
        buffers, root = self._program.buffers, self._program.root(source)
        if buffers[index].dtype != buffers[root].dtype:
            return False
        mine, theirs = self._members[index], self._members[root]
        never = self._uses.end + 1
        my_change = min(self._changes(mine), default=never)
        their_change = min((c for c in self._changes(theirs) if c > at), default=never)
        if my_change < never and buffers[root].kind != "temporary":
            return False
        if self._uses.last_read(theirs) >= my_change or self._uses.last_read(mine) >= their_change:
            return False
        self._join(index, source, offset)
        return True

    def _parts(self, at: int, d: Dispatch) -> bool:
        """Write the parts of a concatenation where they belong."""
        whole, parts = d.outputs[0], [ref.index for ref in d.arguments["parts"] if isinstance(ref, Ref)]
        axis = self._axis(whole, d)
        unit = self._unit(whole, axis)
        roots = [self._program.root(i) for i in parts]
        buffers = self._program.buffers
        if not unit or len(set(roots)) < len(roots):
            return False
        for part, root in zip(parts, roots, strict=True):
            whole_storage = buffers[root].size == buffers[part].size
            if buffers[root].kind != "temporary" or not whole_storage or buffers[root].dtype != buffers[whole].dtype:
                return False
        members = [index for root in (whole, *roots) for index in self._members[root]]
        if any(change > at for change in self._changes(members)):
            return False
        offset = 0
        for part, root in zip(parts, roots, strict=True):
            self._join(root, whole, offset)
            offset += unit * buffers[part].shape[axis]
        return True

    def _constant(self, index: int) -> bool:
        """Make zeros that are never changed a constant."""
        if self._changes(self._members[self._program.root(index)]):
            return False
        buffer = self._program.buffers[index]
        self._program.buffers[index] = replace(buffer, kind="constant", source=-1)
        self._program.constants[index] = np.zeros(buffer.shape, buffer.dtype)
        return True
