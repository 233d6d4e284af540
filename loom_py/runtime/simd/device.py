"""`SimdDevice`: tensors and programs in the memory of a `Host`."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import ExitStack
from math import prod
from typing import get_args

import numpy as np

from ...errors import DeviceError, InputError
from ..binding import refusal, require_support
from ..device import Activations, Facts
from ..pending import Done, Waiting
from ..program import Program
from ..stored import StoredRows
from ..tensor import Array, DeviceTensor, Values, fitting, narrowed
from .digits import Form, choose
from .encode import KERNELS
from .executable import SimdExecutable
from .host import Host, open_host
from .linear import BLOCK, BLOCKS, GROUP, STORAGES
from .memory import DTYPES, Memory
from .parts import SimdParts

STAGING_BYTES = 1 << 20


class SimdDevice:
    """See `runtime.device.Device`.

    **Arguments:**

    - `host`: an instance of the kernels; None opens a native one.
    - `threads`: for a native host.
    - `digits`: in which form quantised weights get their activations (`simd/linear.h`); None chooses for this CPU.
    """

    name = "simd"
    kernels: Collection[str] = KERNELS.keys()
    activations: Sequence[Activations] = ("q16", "f32")
    gpu = False
    lost = ""
    generation = 0

    def __init__(
        self, host: Host | None = None, *, threads: int = 1, relaxed: bool = True, digits: Form | None = None
    ) -> None:
        self.host = host if host is not None else open_host(threads=threads, relaxed=relaxed)
        self.memory = Memory(self.host)
        names = bytearray(self.host.call("names_size"))
        self.host.read(self.host.call("names"), np.frombuffer(names, np.uint8))
        self.codes = {name: i for i, name in enumerate(names.decode().split())}
        """Instruction → its number in this binary."""
        if digits is not None and digits not in get_args(Form):
            raise InputError(f"must be bytes or words, got {digits!r}", where="digits")
        self.digits: Form = digits or choose(self.host, self.memory)
        if self.digits == "bytes" and not self.host.relaxed:
            raise DeviceError("digits in bytes need relaxed SIMD", where="simd", remedy="Choose words.")

    def info(self) -> Facts:
        h = self.host
        return {
            "device": self.name, "threads": h.threads, "relaxed": h.relaxed,
            "digits": self.digits, "memory": h.size(), "used": self.memory.used,
        }  # fmt: skip

    def reopen(self) -> Generator[Waiting, None, None]:
        """Nothing to do: linear memory is never lost."""
        yield from ()

    # --- memory -------------------------------------------------------------------------------------------------
    def lacks_room(self, sizes: Sequence[int]) -> str | None:
        free = self.host.limit - self.host.base - self.memory.used
        return f"the memory of WebAssembly has {free:,} bytes left" if sum(sizes) > free else None

    def upload(self, array: Array) -> DeviceTensor:
        values = narrowed(array, DTYPES)
        return DeviceTensor(self.memory.store(values), values.shape, values.dtype.name)

    def upload_stored(self, rows: StoredRows, storage: str, shape: tuple[int, ...]) -> DeviceTensor:
        """See `Device`. Block storages are rearranged for the kernels (`simd/linear.h`)."""
        if storage not in STORAGES:
            raise DeviceError(f"weights stored as {storage} are not supported", where="simd")
        (count, width), k = rows.shape, shape[1]
        blocks = BLOCKS.get(storage)
        step = max(GROUP, STAGING_BYTES // max(width, 1) // GROUP * GROUP)
        with ExitStack() as on_error, ExitStack() as at_end:
            address = self.memory.allocate(-(-count // GROUP) * (k // BLOCK) * blocks if blocks else count * width)
            on_error.callback(self.memory.free, address)
            staging = 0
            if blocks:
                staging = self.memory.allocate(min(step, count) * width)
                at_end.callback(self.memory.free, staging)
            for first in range(0, count, step):
                part = np.ascontiguousarray(rows[first : first + step])
                self.host.write(staging if blocks else address + first * width, part)
                if blocks:
                    self.host.call("repack", address, staging, STORAGES[storage], first, len(part), k)
            on_error.pop_all()
        return DeviceTensor(address, shape, storage)

    def empty(self, shape: tuple[int, ...], dtype: str) -> DeviceTensor:
        dtype = DTYPES.get(dtype, dtype)
        return DeviceTensor(self.memory.allocate(prod(shape) * np.dtype(dtype).itemsize), shape, dtype)

    def copy(self, source: DeviceTensor, target: DeviceTensor) -> None:
        if source.nbytes > target.nbytes:
            raise InputError(f"{source.shape} does not fit {target.shape}", where="copy")
        self.host.call("move", target.address, source.address, source.nbytes)

    def write(self, tensor: DeviceTensor, array: Array) -> None:
        self.host.write(tensor.address, fitting(tensor, array, DTYPES))

    def download(self, tensor: DeviceTensor) -> Array:
        return self.memory.load(tensor)

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
        require_support(self, program)
        names = program.outputs if kept is None else kept
        return SimdExecutable(
            self.memory, self.codes, program, state, tables or {}, keep, names, activations, self.digits
        )

    def compile_parts(
        self, program: Program, state: Mapping[str, DeviceTensor], *, activations: Activations = "f32"
    ) -> SimdParts:
        """See `runtime.parts.Divisible`."""
        require_support(self, program)
        return SimdParts(self.memory, self.codes, program, state, {}, 0, (), activations, self.digits)

    def close(self) -> None:
        self.host.close()
