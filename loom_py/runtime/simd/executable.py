"""A program compiled for the `simd` device: words in its memory, and all data that they refer to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ...errors import InputError
from ..binding import bound_state, input_values, require_dynamics, require_steps, table_rows
from ..device import Activations
from ..pending import Done
from ..program import Program
from ..tensor import Array, DeviceTensor, Values, narrowed
from ..transforms import simplify
from .digits import Form
from .encode import Encoder
from .memory import DTYPES, Memory


class SimdExecutable:
    """A program as words in device memory, with its temporaries, constants, slots and tables."""

    reuse = True
    """Whether temporaries share memory where their lifetimes allow."""

    def __init__(
        self,
        memory: Memory,
        codes: Mapping[str, int],
        program: Program,
        state: Mapping[str, DeviceTensor],
        tables: Mapping[str, Array],
        keep: int,
        kept: Iterable[str],
        activations: Activations,
        digits: Form,
    ) -> None:
        self.program, self.keep = program, keep
        self._memory, self._host, self._codes = memory, memory.host, codes
        self._activations: Activations = activations
        self._digits: Form = digits
        self._owned: list[int] = []
        try:
            self._build(state, tables, kept)
        except BaseException:
            self.free()
            raise

    def _allocate(self, nbytes: int) -> int:
        address = self._memory.allocate(nbytes)
        self._owned.append(address)
        return address

    def _constant(self, values: Array) -> int:
        address = self._memory.store(values)
        self._owned.append(address)
        return address

    def _build(self, state: Mapping[str, DeviceTensor], tables: Mapping[str, Array], kept: Iterable[str]) -> None:
        program = simplify(self.program)
        buffers = program.buffers
        offsets, arena_bytes = program.plan(reuse=self.reuse)
        arena = self._allocate(arena_bytes)
        addresses = {index: arena + offset for index, offset in offsets.items()}
        bound = bound_state(program, state)
        addresses |= {index: tensor.address for index, tensor in bound.items()}
        storage = {index: tensor.dtype for index, tensor in bound.items()}
        for index, values in program.constants.items():
            addresses[index] = self._constant(narrowed(values, DTYPES))
        self._inputs: dict[str, DeviceTensor] = {}
        for name, index in program.inputs.items():
            addresses[index] = self._allocate(self._bytes(index))
            self._inputs[name] = DeviceTensor(addresses[index], *self._kind(index))
        for buffer in buffers:
            if buffer.index not in addresses:
                root = addresses.get(program.root(buffer.index), 0)  # 0: no longer in use
                itemsize = np.dtype(DTYPES.get(buffer.dtype, buffer.dtype)).itemsize
                addresses[buffer.index] = root + program.offset(buffer.index) * itemsize
        self._dynamics = ["row", *program.dynamics]
        self._slots = self._allocate(8 * len(self._dynamics))
        slots = {name: self._slots + 8 * i for i, name in enumerate(self._dynamics)}
        self._values = np.array([0.0, *program.dynamics.values()])
        encoder = Encoder(
            program,
            self._codes,
            addresses,
            slots,
            self._constant,
            storage,
            self._allocate,
            activations=self._activations,
            digits=self._digits,
        )
        for name, rows in tables.items():
            values = table_rows(program, name, rows, DTYPES)
            to, nbytes = self._inputs[name].address, values.nbytes // len(values)
            encoder.emit("take_rows", to, self._constant(values), nbytes, slots["row"], len(values))
        encoder.encode()
        self._outputs = {n: DeviceTensor(addresses[i], *self._kind(i)) for n, i in program.outputs.items()}
        self._kept: dict[str, DeviceTensor] = {}
        if self.keep:
            for name in kept:
                out, nbytes = self._outputs[name], self._bytes(program.outputs[name])
                self._kept[name] = DeviceTensor(self._allocate(nbytes * self.keep), (self.keep, *out.shape), out.dtype)
                encoder.emit("keep", self._kept[name].address, out.address, nbytes, self.keep)
            self._table = self._allocate(8 * len(self._dynamics) * self.keep)
        encoder.place_scratch(self._allocate(encoder.scratch_bytes))
        self._report = encoder.report_at
        self._words = len(encoder.words)
        self._code = self._constant(np.frombuffer(encoder.words, np.uint32))
        self._encoded(encoder)

    def _encoded(self, encoder: Encoder) -> None:
        """For a subclass that needs to know which words belong to which dispatches."""

    def _kind(self, index: int) -> tuple[tuple[int, ...], str]:
        buffer = self.program.buffers[index]
        return buffer.shape, DTYPES.get(buffer.dtype, buffer.dtype)

    def _bytes(self, index: int) -> int:
        shape, dtype = self._kind(index)
        return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize

    # --- replaying ----------------------------------------------------------------------------------------------
    def run(self, inputs: Mapping[str, ArrayLike], /, **dynamics: float) -> Values:
        require_dynamics(self.program, dynamics)
        for name, values in input_values(self.program, self._inputs, inputs).items():
            self._host.write(self._inputs[name].address, values)
        for name, value in dynamics.items():
            self._values[self._dynamics.index(name)] = value
        self._host.write(self._slots, self._values)
        self._run(self._code, self._words, 1, 0)
        return {name: self._memory.load(tensor) for name, tensor in self._outputs.items()}

    def submit(self, inputs: Mapping[str, ArrayLike], /, **dynamics: float) -> Done[Values]:
        return Done(self.run(inputs, **dynamics))

    def run_many(self, dynamics: Mapping[str, ArrayLike], steps: int) -> Values:
        require_steps(steps, self.keep)
        require_dynamics(self.program, dynamics)
        table = np.empty((steps, len(self._dynamics)))
        table[:] = self._values
        for name, value in dynamics.items():
            table[:, self._dynamics.index(name)] = value
        self._host.write(self._table, table)
        self._run(self._code, self._words, steps, self._table)
        return {
            name: self._memory.load(DeviceTensor(t.address, (steps, *t.shape[1:]), t.dtype))
            for name, t in self._kept.items()
        }

    def submit_many(self, dynamics: Mapping[str, ArrayLike], steps: int) -> Done[Values]:
        return Done(self.run_many(dynamics, steps))

    def last(self, names: Sequence[str]) -> Done[Values]:
        return Done({name: self._memory.load(self._outputs[name]) for name in names})

    def _run(self, code: int, words: int, steps: int, table: int) -> None:
        slots, threads = len(self._dynamics), self._host.threads
        self._host.call("run", code, words, steps, self._slots, slots, table, threads)
        if self._report:
            self._check_report()

    def _check_report(self) -> None:
        """Raise the error that a kernel reported about an input; replaying stopped there."""
        report = np.zeros(4, np.uint32)
        self._host.read(self._report, report)
        wrong, at, value, limit = report
        if wrong:
            self._host.write(self._report, np.zeros_like(report))
            number = value.view(np.float32)
            raise InputError(f"{number:g} is not a token id below {limit}", where=f"input[{at}]")

    def free(self) -> None:
        for address in self._owned:
            self._memory.free(address)
        self._owned.clear()
