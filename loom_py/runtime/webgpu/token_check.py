"""Token ids among a program's inputs, checked on NumPy before a replay: a GPU cannot stop in the midst of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..program import Program
from ..replay import replay
from ..tensor import Array, Values
from ..transforms import remove_dead_code

MOVES = ("reshape", "narrow", "concat", "pad")
"""Kernels between an input and `token_ids` that NumPy runs as well: they compute nothing."""


class TokenCheck:
    """What decides a program's token ids: that much of the program, without anything but its inputs.

    `refusal` says why there is none, if the ids depend on what the GPU computes.
    """

    def __init__(self, program: Program) -> None:
        self.refusal: str | None = None
        self.inputs: dict[str, int] = {}
        self._program: Program | None = None
        self._values: Values = {}
        calls = [d for d in program.dispatches if d.kernel == "token_ids"]
        if not calls:
            return
        outputs = {f"ids {i}": d.outputs[0] for i, d in enumerate(calls)}
        # Updates of state are kept for their own sake elsewhere; here they matter only to what reads the state.
        lasting = {b.index for b in program.buffers if b.kind != "temporary"}
        others = [d for d in program.dispatches if lasting.isdisjoint(program.root(index) for index in d.changes)]
        part = remove_dead_code(replace(program, dispatches=others, outputs=outputs))
        computed = [d.kernel for d in part.dispatches if d.kernel not in (*MOVES, "token_ids")]
        read = {part.root(index) for d in part.dispatches for index in d.reads}
        used = [name for name, index in program.state.items() if part.root(index) in read]
        if computed or used:
            source = f"the kernel {computed[0]}" if computed else f"the state {used[0]}"
            self.refusal = f"{source} decides which token ids there are"
        self.inputs = {name: index for name, index in program.inputs.items() if part.root(index) in read}
        self._program = replace(part, inputs=self.inputs, state={})

    def run_rows(self, tables: Mapping[str, Array]) -> None:
        """As `run`, for every row of tables of inputs."""
        used = {name: rows for name, rows in tables.items() if name in self.inputs}
        for i in range(max(map(len, used.values()), default=0)):
            self.run({name: rows[i % len(rows)] for name, rows in used.items()})

    def run(self, inputs: Mapping[str, Array]) -> None:
        """Raises `InputError` for a number that is no token id; inputs that are not given are as before."""
        if self._program is None:
            return
        shapes = {name: self._program.buffers[index].shape for name, index in self.inputs.items()}
        values = self._values | {name: a.reshape(shapes[name]) for name, a in inputs.items() if name in shapes}
        if values.keys() == shapes.keys():
            replay(self._program, values, {})
        self._values = values
