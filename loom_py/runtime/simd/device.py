"""`SimdDevice`: memory management, compiling and replaying programs on a `Host`."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import DeviceError, InputError
from ..binding import bound_state, refusal, require_steps, require_support, table_rows
from ..device import Activations, Facts
from ..pending import Done, Waiting
from ..program import Program
from ..tensor import Array, DeviceTensor, Values, fitting, narrowed
from ..transforms import simplify
from .encode import KERNELS, Encoder
from .host import Host, open_host
from .linear import BLOCK, BLOCKS, GROUP, STORAGES
from .memory import Memory

STAGING_BYTES = 1 << 20
DTYPES = {"float64": "float32", "int64": "int32"}
"""NumPy dtype → what it is on the device, where that differs."""


class SimdDevice:
    """See `runtime.device.Device`.

    **Arguments:**

    - `host`: an instance of the kernels; None opens a native one.
    - `threads`: for a native host.
    """

    name = "simd"
    kernels: Collection[str] = KERNELS.keys()
    activations: Sequence[Activations] = ("q16", "f32")
    gpu = False
    lost = ""
    generation = 0

    def __init__(self, host: Host | None = None, *, threads: int = 1, relaxed: bool = True) -> None:
        self.host = host if host is not None else open_host(threads=threads, relaxed=relaxed)
        self.memory = Memory(self.host)
        names = bytearray(self.host.call("names_size"))
        self.host.read(self.host.call("names"), np.frombuffer(names, np.uint8))
        self.codes = {name: i for i, name in enumerate(names.decode().split())}

    def info(self) -> Facts:
        h = self.host
        return {
            "device": self.name, "threads": h.threads, "relaxed": h.relaxed,
            "memory": h.size(), "used": self.memory.used,
        }  # fmt: skip

    def reopen(self) -> Generator[Waiting, None, None]:
        """Nothing to do: linear memory is never lost."""
        yield from ()

    # --- memory -------------------------------------------------------------------------------------------------
    def upload(self, array: Array) -> DeviceTensor:
        values = narrowed(array, DTYPES)
        tensor = DeviceTensor(self.memory.allocate(values.nbytes), values.shape, values.dtype.name)
        self.host.write(tensor.address, values)
        return tensor

    def upload_stored(self, rows: NDArray[np.uint8], storage: str, shape: tuple[int, ...]) -> DeviceTensor:
        """See `Device`. Block storages are rearranged for the kernels (`simd/linear.h`)."""
        if storage not in STORAGES:
            raise DeviceError(f"weights stored as {storage} are not supported", where="simd")
        if storage not in BLOCKS:
            address = self.memory.allocate(rows.nbytes)
            self.host.write(address, np.ascontiguousarray(rows))
            return DeviceTensor(address, shape, storage)
        count, k = shape
        address = self.memory.allocate(-(-count // GROUP) * (k // BLOCK) * BLOCKS[storage])
        step = max(GROUP, STAGING_BYTES // max(rows.shape[1], 1) // GROUP * GROUP)
        try:
            staging = self.memory.allocate(min(step, count) * rows.shape[1])
        except DeviceError:
            self.memory.free(address)
            raise
        for first in range(0, count, step):
            part = np.ascontiguousarray(rows[first : first + step])
            self.host.write(staging, part)
            self.host.call("repack", address, staging, STORAGES[storage], first, len(part), k)
        self.memory.free(staging)
        return DeviceTensor(address, shape, storage)

    def empty(self, shape: tuple[int, ...], dtype: str) -> DeviceTensor:
        return DeviceTensor(self.memory.allocate(prod(shape) * np.dtype(dtype).itemsize), shape, dtype)

    def copy(self, source: DeviceTensor, target: DeviceTensor) -> None:
        if source.nbytes > target.nbytes:
            raise InputError(f"{source.shape} does not fit {target.shape}", where="copy")
        self.host.call("move", target.address, source.address, source.nbytes)

    def write(self, tensor: DeviceTensor, array: Array) -> None:
        self.host.write(tensor.address, fitting(tensor, array, DTYPES))

    def download(self, tensor: DeviceTensor) -> Array:
        out = np.empty(tensor.shape, tensor.dtype)
        self.host.read(tensor.address, out)
        return out

    def read(self, tensors: Mapping[str, DeviceTensor]) -> Done[Values]:
        return Done({name: self.download(tensor) for name, tensor in tensors.items()})

    def free(self, tensor: DeviceTensor) -> None:
        self.memory.free(tensor.address)

    # --- programs -----------------------------------------------------------------------------------------------
    def supports(self, program: Program) -> str | None:
        return refusal(program, KERNELS)

    def compile(
        self,
        program: Program,
        state: Mapping[str, DeviceTensor],
        *,
        tables: Mapping[str, Array] | None = None,
        keep: int = 0,
        kept: Sequence[str] | None = None,
        activations: Activations = "f32",
    ) -> SimdExecutable:
        require_support(self.name, program, KERNELS)
        names = program.outputs if kept is None else kept
        return SimdExecutable(self, program, state, tables or {}, keep, names, activations)

    def close(self) -> None:
        self.host.close()


class SimdExecutable:
    """A program as words in device memory, with its temporaries, constants, slots and tables."""

    def __init__(
        self,
        device: SimdDevice,
        program: Program,
        state: Mapping[str, DeviceTensor],
        tables: Mapping[str, Array],
        keep: int,
        kept: Iterable[str],
        activations: Activations,
    ) -> None:
        self.device, self.program, self.keep = device, program, keep
        self.activations = activations
        self._owned: list[int] = []
        try:
            self._build(state, tables, kept)
        except BaseException:
            self.free()
            raise

    def _allocate(self, nbytes: int) -> int:
        address = self.device.memory.allocate(nbytes)
        self._owned.append(address)
        return address

    def _constant(self, values: Array) -> int:
        address = self._allocate(values.nbytes)
        self.device.host.write(address, values)
        return address

    def _build(self, state: Mapping[str, DeviceTensor], tables: Mapping[str, Array], kept: Iterable[str]) -> None:
        program = simplify(self.program)
        buffers = program.buffers
        offsets, arena_bytes = program.plan()
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
                root = addresses.get(program.root(buffer.index), 0)  # 0: nobody needs it any more
                itemsize = np.dtype(DTYPES.get(buffer.dtype, buffer.dtype)).itemsize
                addresses[buffer.index] = root + program.offset(buffer.index) * itemsize
        self._dynamics = ["row", *program.dynamics]
        self._slots = self._allocate(8 * len(self._dynamics))
        slots = {name: self._slots + 8 * i for i, name in enumerate(self._dynamics)}
        self._values = np.array([0.0, *program.dynamics.values()])
        encoder = Encoder(
            program,
            self.device.codes,
            addresses,
            slots,
            self._constant,
            storage,
            self._allocate,
            activations=self.activations,
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

    def _kind(self, index: int) -> tuple[tuple[int, ...], str]:
        buffer = self.program.buffers[index]
        return buffer.shape, DTYPES.get(buffer.dtype, buffer.dtype)

    def _bytes(self, index: int) -> int:
        shape, dtype = self._kind(index)
        return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize

    # --- replaying ----------------------------------------------------------------------------------------------
    def run(self, inputs: Mapping[str, ArrayLike], /, **dynamics: float) -> Values:
        for name, value in inputs.items():
            tensor = self._inputs[name]
            self.device.host.write(tensor.address, np.ascontiguousarray(value, tensor.dtype).reshape(tensor.shape))
        for name, value in dynamics.items():
            self._values[self._dynamics.index(name)] = value
        self.device.host.write(self._slots, self._values)
        self._run(1, 0)
        return {name: self.device.download(tensor) for name, tensor in self._outputs.items()}

    def submit(self, inputs: Mapping[str, ArrayLike], /, **dynamics: float) -> Done[Values]:
        return Done(self.run(inputs, **dynamics))

    def run_many(self, dynamics: Mapping[str, ArrayLike], steps: int) -> Values:
        require_steps(steps, self.keep)
        table = np.empty((steps, len(self._dynamics)))
        table[:] = self._values
        for name, value in dynamics.items():
            table[:, self._dynamics.index(name)] = value
        self.device.host.write(self._table, table)
        self._run(steps, self._table)
        return {
            name: self.device.download(DeviceTensor(t.address, (steps, *t.shape[1:]), t.dtype))
            for name, t in self._kept.items()
        }

    def submit_many(self, dynamics: Mapping[str, ArrayLike], steps: int) -> Done[Values]:
        return Done(self.run_many(dynamics, steps))

    def last(self, names: Sequence[str]) -> Done[Values]:
        return self.device.read({name: self._outputs[name] for name in names})

    def _run(self, steps: int, table: int) -> None:
        host = self.device.host
        host.call("run", self._code, self._words, steps, self._slots, len(self._dynamics), table, host.threads)
        if self._report:
            self._check_report()

    def _check_report(self) -> None:
        """Raise what a kernel found wrong with an input; replaying stopped there."""
        report = np.zeros(4, np.uint32)
        self.device.host.read(self._report, report)
        wrong, at, value, limit = report
        if wrong:
            self.device.host.write(self._report, np.zeros_like(report))
            number = value.view(np.float32)
            raise InputError(f"{number:g} is not a token id below {limit}", where=f"input[{at}]")

    def free(self) -> None:
        for address in self._owned:
            self.device.memory.free(address)
        self._owned.clear()
