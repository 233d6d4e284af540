"""Drop dispatches whose effect cannot be observed."""

from __future__ import annotations

from dataclasses import replace

from ..program import Dispatch, Program


def remove_dead_code(program: Program) -> Program:
    """The program with only those dispatches whose effect can be observed.

    A dispatch stays if it

    - makes a buffer that is an output, or that a later dispatch which stays reads, or
    - changes, in place, such a buffer, or one that outlives the replay: anything but a temporary.
    """
    observed = {program.root(index) for index in program.outputs.values()}
    observed |= {b.index for b in program.buffers if b.kind != "temporary"}
    kept: list[Dispatch] = []
    for d in reversed(program.dispatches):
        if any(program.root(index) in observed for index in (*d.outputs, *d.changes)):
            kept.append(d)
            observed.update(program.root(index) for index in d.reads)
    return replace(program, dispatches=kept[::-1])
