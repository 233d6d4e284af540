"""Queries of transforms (which dispatches make, read and change a buffer), and rewriting of operands."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..guards import is_tuple
from ..program import Dispatch, Program, Ref


class Uses:
    """The dispatches that make, read and change each buffer, as positions in `program.dispatches`.

    Buffers are distinct even where they share storage: a reshape is a reader of its source. Outputs are read after
    all dispatches, at the position `end`.
    """

    def __init__(self, program: Program) -> None:
        self.end = len(program.dispatches)
        self._program = program
        self._maker: dict[int, int] = {}
        self._readers: dict[int, list[int]] = {}
        self._changes: dict[int, list[int]] = {}
        self._changed: list[tuple[int, int]] = []  # position, storage that is changed there
        for at, d in enumerate(program.dispatches):
            for index in d.outputs:
                self._maker[index] = at
            for index in d.reads:
                self._readers.setdefault(index, []).append(at)
            for index in d.changes:
                self._changes.setdefault(index, []).append(at)
                self._changed.append((at, program.root(index)))
        for index in program.outputs.values():
            self._readers.setdefault(index, []).append(self.end)

    def maker(self, index: int) -> int:
        """The dispatch that makes a buffer; −1 for one that exists from the start."""
        return self._maker.get(index, -1)

    def readers(self, index: int) -> list[int]:
        """The dispatches that read a buffer, in order; one that reads it twice appears twice."""
        return self._readers.get(index, [])

    def changes(self, index: int) -> list[int]:
        """The dispatches that change a buffer in place, in order."""
        return self._changes.get(index, [])

    def last_read(self, indices: Iterable[int]) -> int:
        """The last dispatch that reads one of several buffers; −1 if there is none."""
        return max((self.readers(index)[-1] for index in indices if self.readers(index)), default=-1)

    def read_only_by(self, index: int, readers: Iterable[int]) -> bool:
        """Whether only these dispatches read a buffer."""
        return set(self.readers(index)) <= set(readers)

    def changed_between(self, operands: Iterable[Any], start: int, end: int) -> bool:
        """Whether a dispatch between two positions changes the storage of one of the operands."""
        roots = {self._program.root(o.index) for o in operands if isinstance(o, Ref)}
        between = slice(bisect_right(self._changed, (start, math.inf)), bisect_left(self._changed, (end, -1)))
        return any(root in roots for _, root in self._changed[between])


def replace_operands(dispatch: Dispatch, buffers: Mapping[int, int]) -> Dispatch:
    """The same call on other buffers, by old index → new index; other buffers stay."""

    def new(index: int) -> int:
        return buffers.get(index, index)

    arguments = {name: map_refs(value, new) for name, value in dispatch.arguments.items()}
    return Dispatch(dispatch.kernel, arguments, tuple(map(new, dispatch.outputs)), tuple(map(new, dispatch.changes)))


def map_refs(value: Any, new: Callable[[int], int]) -> Any:
    """An argument with every buffer index replaced by `new(index)`."""
    if isinstance(value, Ref):
        return Ref(new(value.index))
    return tuple(map_refs(v, new) for v in value) if is_tuple(value) else value


def renumber(program: Program) -> Program:
    """The program without temporaries and constants that are no longer used, the others numbered from 0."""
    named = {i for d in program.dispatches for i in (*d.outputs, *d.reads, *d.changes)}
    named |= {*program.inputs.values(), *program.outputs.values(), *program.state.values()}
    sources = {index for i in named for index in _chain(program, i)}
    new = {old: at for at, old in enumerate(sorted(named | sources))}
    buffers = [replace(b, index=new[b.index], source=new.get(b.source, -1)) for b in program.buffers if b.index in new]
    return replace(
        program,
        buffers=buffers,
        dispatches=[replace_operands(d, new) for d in program.dispatches],
        inputs={name: new[i] for name, i in program.inputs.items()},
        outputs={name: new[i] for name, i in program.outputs.items()},
        state={name: new[i] for name, i in program.state.items()},
        constants={new[i]: values for i, values in program.constants.items() if i in new},
    )


def _chain(program: Program, index: int) -> Iterable[int]:
    """A buffer's source, that one's source, and so on."""
    while program.buffers[index].source not in (-1, index):
        index = program.buffers[index].source
        yield index
