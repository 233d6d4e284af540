"""A program compiled for a GPU: a plan, and the buffers that it owns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod

import numpy as np
from numpy.typing import ArrayLike

from ...errors import DeviceError
from ..binding import bound_state, input_values, require_dynamics, require_steps, table_rows
from ..program import Program
from ..tensor import Array, DeviceTensor, Values, narrowed
from ..transforms import remove_dead_code
from .encode import Encoder
from .host import Host
from .plan import Plan, Slice, padded
from .storage import buffer_bytes
from .token_check import TokenCheck
from .transfer import DTYPES, Readback, place, read


class WebGPUExecutable:
    """A plan with its temporaries, constants, inputs and tables."""

    def __init__(
        self,
        host: Host,
        program: Program,
        state: Mapping[str, DeviceTensor],
        tables: Mapping[str, Array],
        keep: int,
        kept: Iterable[str],
    ) -> None:
        self.program, self.keep = program, keep
        self._host = host
        self._owned: list[int] = []
        self._handle: int | None = None
        try:
            self._build(state, tables, kept)
        except BaseException:
            self.free()
            raise

    def _buffer(self, nbytes: int) -> int:
        buffer = self._host.create(padded(nbytes))
        self._owned.append(buffer)
        return buffer

    def _constant(self, values: Array) -> Slice:
        constant = place(self._host, narrowed(values, DTYPES))
        self._owned.append(constant.buffer)
        return constant

    def _tensor(self, index: int, buffer: int) -> DeviceTensor:
        b = self.program.buffers[index]
        return DeviceTensor(buffer, b.shape, DTYPES.get(b.dtype, b.dtype))

    def _bytes(self, index: int) -> int:
        return 4 * prod(self.program.buffers[index].shape)

    def _build(self, state: Mapping[str, DeviceTensor], tables: Mapping[str, Array], kept: Iterable[str]) -> None:
        program, host = remove_dead_code(self.program), self._host
        self._tokens = TokenCheck(program)
        self._tokens.run_rows(tables)
        bound = bound_state(program, state)
        places = {i: Slice(t.address, padded(buffer_bytes(t.shape, t.dtype))) for i, t in bound.items()}
        storage = {index: tensor.dtype for index, tensor in bound.items()}
        for index, values in program.constants.items():
            places[index] = self._constant(values)
        self._inputs = {n: self._tensor(i, self._buffer(self._bytes(i))) for n, i in program.inputs.items()}
        for name, index in program.inputs.items():
            places[index] = Slice(self._inputs[name].address, padded(self._bytes(index)))
        encoder = Encoder(program, places, storage, self._constant, dict(host.limits))
        self.plan: Plan = encoder.encode()
        self._own = own = [self._buffer(size) for size in self.plan.own]
        self._dynamics: dict[str, ArrayLike] = dict(program.dynamics)
        self._row = row = self._buffer(self.plan.row_bytes())
        table_specs = [self._table(name, rows) for name, rows in tables.items()]
        self._outputs: dict[str, DeviceTensor] = {}
        self._kept: dict[str, DeviceTensor] = {}
        keeps: list[dict[str, int]] = []
        for name, index in program.outputs.items():
            where = places.get(index) or places[program.root(index)]
            self._outputs[name] = self._tensor(index, own[where.buffer] if where.kind == "own" else where.buffer)
        for name in kept if self.keep else ():
            out, nbytes = self._outputs[name], self._bytes(program.outputs[name])
            buffer = self._buffer(nbytes * self.keep)
            self._kept[name] = DeviceTensor(buffer, (self.keep, *out.shape), out.dtype)
            keeps.append({"from": out.address, "to": buffer, "nbytes": nbytes})
        spec = self.plan.spec(own, row, table_specs, keeps)
        self._handle = host.plan(spec, bytes(self.plan.uniforms))
        self._encoded(encoder)

    def _encoded(self, encoder: Encoder) -> None:
        """For a subclass that needs to know which dispatches of the plan belong to which of the program."""

    def _table(self, name: str, rows: Array) -> dict[str, int]:
        values = table_rows(self.program, name, rows, DTYPES)
        source, nbytes = self._constant(values).buffer, values.nbytes // len(values)
        return {"from": source, "to": self._inputs[name].address, "nbytes": nbytes, "rows": len(values)}

    # --- replaying ----------------------------------------------------------------------------------------------
    def run(self, inputs: Mapping[str, ArrayLike], /, **dynamics: float) -> Values:
        return self.submit(inputs, **dynamics).result()

    def submit(self, inputs: Mapping[str, ArrayLike], /, **dynamics: float) -> Readback:
        """One replay whose outputs are fetched later; several may be in flight."""
        require_dynamics(self.program, dynamics)
        given = input_values(self.program, self._inputs, inputs)
        self._tokens.run(given)
        for name, values in given.items():
            self._host.write(self._inputs[name].address, 0, values)
        self._dynamics |= dynamics
        self._replay(self._dynamics, 1, (), keep=False)
        return read(self._host, self._outputs)

    def run_many(self, dynamics: Mapping[str, ArrayLike], steps: int) -> Values:
        return self.submit_many(dynamics, steps).result()

    def submit_many(self, dynamics: Mapping[str, ArrayLike], steps: int) -> Readback:
        require_steps(steps, self.keep)
        require_dynamics(self.program, dynamics)
        indices = np.broadcast_to(np.asarray(dynamics.get("row", 0), np.int64), (steps,)).tolist()
        self._replay({**self._dynamics, **dynamics}, steps, indices, keep=True)
        return read(
            self._host,
            {name: DeviceTensor(t.address, (steps, *t.shape[1:]), t.dtype) for name, t in self._kept.items()},
        )

    def last(self, names: Sequence[str]) -> Readback:
        return read(self._host, {name: self._outputs[name] for name in names})

    def _replay(self, dynamics: Mapping[str, ArrayLike], steps: int, indices: Sequence[int], *, keep: bool) -> None:
        if self._handle is None:
            raise DeviceError("this program was freed", where=self.program.name)
        self._host.replay(self._handle, self.plan.row(dynamics, steps), steps, indices, keep)

    def free(self) -> None:
        """Free everything but the state."""
        if self._handle is not None:
            self._host.drop(self._handle)
            self._handle = None
        for buffer in self._owned:
            self._host.destroy(buffer)
        self._owned.clear()
