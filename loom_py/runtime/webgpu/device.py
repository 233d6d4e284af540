"""`WebGPUDevice`: tensors, compiling and replaying programs on a `Host`, in a page or natively."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import DeviceError, DeviceLost, InputError
from ..binding import bound_state, refusal, require_steps, require_support, table_rows
from ..device import Activations, Facts
from ..pending import Waiting
from ..program import Program
from ..tensor import Array, DeviceTensor, Values, fitting, narrowed
from ..transforms import remove_dead_code
from .encode import KERNELS, Encoder, Plan, Slice, padded
from .host import Host, Reading
from .storage import SCALES, buffer_bytes, rearranged

DTYPES = {"float64": "float32", "int64": "int32", "bool": "int32", "uint8": "int32"}
"""NumPy dtype → what it is on the device, where that differs."""


class WebGPUDevice:
    """See `runtime.device.Device`. `DeviceTensor.address` is the host's number of the tensor's buffer."""

    name = "webgpu"
    kernels: Collection[str] = KERNELS.keys()
    activations: Sequence[Activations] = ("f32",)

    def __init__(self, host: Host) -> None:
        self.host = host

    def info(self) -> Facts:
        nbytes, buffers = self.host.used()
        return {
            "device": self.name, "hardware": self.gpu, **self.host.adapter, "features": list(self.host.features),
            "limits": dict(self.host.limits), "used": nbytes, "buffers": buffers,
        }  # fmt: skip

    @property
    def gpu(self) -> bool:
        description = " ".join(str(v) for v in self.host.adapter.values()).lower()
        return not any(word in description for word in ("cpu", "swiftshader", "llvmpipe", "fallback"))

    # --- memory -------------------------------------------------------------------------------------------------
    def upload(self, array: Array) -> DeviceTensor:
        values = narrowed(array, DTYPES)
        return DeviceTensor(self.place(values).buffer, values.shape, values.dtype.name)

    def upload_stored(self, rows: NDArray[np.uint8], storage: str, shape: tuple[int, ...]) -> DeviceTensor:
        """See `Device`. The bytes are rearranged as `storage.py` says: nothing is lost, nothing grows."""
        words, storage = rearranged(rows, storage, shape)
        return DeviceTensor(self.place(words).buffer, shape, storage)

    def copy(self, source: DeviceTensor, target: DeviceTensor) -> None:
        nbytes = buffer_bytes(source.shape, source.dtype)
        if nbytes > buffer_bytes(target.shape, target.dtype):
            raise InputError(f"{source.shape} does not fit {target.shape}", where="copy")
        self.host.copy(source.address, target.address, nbytes)

    def empty(self, shape: tuple[int, ...], dtype: str) -> DeviceTensor:
        return DeviceTensor(self.host.create(padded(4 * int(np.prod(shape, dtype=np.int64)))), shape, dtype)

    def place(self, values: Array) -> Slice:
        """A new buffer with these words."""
        size = padded(values.nbytes)
        limit = self.host.limits["maxBufferSize"]
        if size > limit:
            raise DeviceError(
                f"a tensor of {values.nbytes:,} bytes, this device's buffers hold {limit:,}",
                where=self.name,
                remedy="Use a smaller or more strongly quantised model.",
            )
        buffer = self.host.create(size)
        self.host.write(buffer, 0, values, keep=True)
        return Slice(buffer, size)

    def write(self, tensor: DeviceTensor, array: Array) -> None:
        self.host.write(tensor.address, 0, fitting(tensor, array, DTYPES))

    def download(self, tensor: DeviceTensor) -> Array:
        return self.read({"": tensor}).result()[""]

    def read(self, tensors: Mapping[str, DeviceTensor]) -> Readback:
        packed = (*SCALES, "F16", "BF16")
        blocks = [f"{name} is stored as {t.dtype}" for name, t in tensors.items() if t.dtype in packed]
        if blocks:
            raise DeviceError(blocks[0], where=self.name, remedy="Read it from its file.")
        kinds = [(name, t.shape, {"F32": "float32"}.get(t.dtype, t.dtype)) for name, t in tensors.items()]
        sizes = [padded(int(np.prod(shape, dtype=np.int64)) * 4) for _, shape, _ in kinds]
        addresses = [t.address for t in tensors.values()]
        pieces = [(address, 0, size) for address, size in zip(addresses, sizes, strict=True)]
        return Readback(self.host.read(pieces), kinds)

    def free(self, tensor: DeviceTensor) -> None:
        self.host.destroy(tensor.address)

    @property
    def lost(self) -> str:
        return self.host.lost

    @property
    def generation(self) -> int:
        return self.host.generation

    def reopen(self) -> Generator[Waiting, None, None]:
        if not self.host.lost:
            return
        promise = self.host.reopen()
        if promise is not None:
            yield Waiting(promise)
        if self.host.lost:
            raise DeviceLost(self.host.lost, where=self.name, remedy="Choose another device, or load the page again.")

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
    ) -> WebGPUExecutable:
        """See `Device`. Activations are float32, whatever is asked for."""
        require_support(self.name, program, KERNELS)
        return WebGPUExecutable(self, program, state, tables or {}, keep, program.outputs if kept is None else kept)

    def close(self) -> None:
        self.host.close()


class Readback:
    """Arrays on their way back: a `runtime.device.Pending`."""

    def __init__(self, reading: Reading, kinds: Sequence[tuple[str, tuple[int, ...], str]]) -> None:
        self._reading = reading
        self._kinds = kinds

        self.promise: Any = reading.promise

    def result(self) -> Values:
        """The arrays by name, once; waits where waiting is possible."""
        data = self._reading.result()
        found, at = {}, 0
        for name, shape, dtype in self._kinds:
            count = int(np.prod(shape, dtype=np.int64))
            found[name] = np.frombuffer(data, dtype, count, at).reshape(shape).copy()
            at += padded(4 * count)
        return found


class WebGPUExecutable:
    """A plan with its temporaries, constants, inputs and tables."""

    def __init__(
        self,
        device: WebGPUDevice,
        program: Program,
        state: Mapping[str, DeviceTensor],
        tables: Mapping[str, Array],
        keep: int,
        kept: Iterable[str],
    ) -> None:
        self.device, self.program, self.keep = device, program, keep
        self._owned: list[int] = []
        self._handle: int | None = None
        try:
            self._build(state, tables, kept)
        except BaseException:
            self.free()
            raise

    def _buffer(self, nbytes: int) -> int:
        buffer = self.device.host.create(padded(nbytes))
        self._owned.append(buffer)
        return buffer

    def _constant(self, values: Array) -> Slice:
        place = self.device.place(narrowed(values, DTYPES))
        self._owned.append(place.buffer)
        return place

    def _tensor(self, index: int, buffer: int) -> DeviceTensor:
        b = self.program.buffers[index]
        return DeviceTensor(buffer, b.shape, DTYPES.get(b.dtype, b.dtype))

    def _bytes(self, index: int) -> int:
        return 4 * int(np.prod(self.program.buffers[index].shape, dtype=np.int64))

    def _build(self, state: Mapping[str, DeviceTensor], tables: Mapping[str, Array], kept: Iterable[str]) -> None:
        program, host = remove_dead_code(self.program), self.device.host
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
        own = [self._buffer(size) for size in self.plan.own]
        self._dynamics: dict[str, Any] = dict(program.dynamics)
        row = self._buffer(self.plan.row_bytes())
        table_specs = [self._table(name, rows) for name, rows in tables.items()]
        self._outputs: dict[str, DeviceTensor] = {}
        self._kept: dict[str, DeviceTensor] = {}
        keeps = []
        for name, index in program.outputs.items():
            place = places.get(index) or places[program.root(index)]
            self._outputs[name] = self._tensor(index, own[place.buffer] if place.kind == "own" else place.buffer)
        for name in kept if self.keep else ():
            out, nbytes = self._outputs[name], self._bytes(program.outputs[name])
            buffer = self._buffer(nbytes * self.keep)
            self._kept[name] = DeviceTensor(buffer, (self.keep, *out.shape), out.dtype)
            keeps.append({"from": out.address, "to": buffer, "nbytes": nbytes})
        spec = self.plan.spec(own, row, table_specs, keeps)
        self._handle = host.plan(spec, bytes(self.plan.uniforms))

    def _table(self, name: str, rows: Array) -> dict[str, int]:
        values = table_rows(self.program, name, rows, DTYPES)
        place, nbytes = self._constant(values), values.nbytes // len(values)
        return {"from": place.buffer, "to": self._inputs[name].address, "nbytes": nbytes, "rows": len(values)}

    # --- replaying ----------------------------------------------------------------------------------------------
    def run(self, inputs: Mapping[str, ArrayLike], /, **dynamics: float) -> Values:
        return self.submit(inputs, **dynamics).result()

    def submit(self, inputs: Mapping[str, ArrayLike], /, **dynamics: float) -> Readback:
        """One replay whose outputs are fetched later; several may be under way."""
        for name, value in inputs.items():
            tensor = self._inputs[name]
            values = np.ascontiguousarray(value, tensor.dtype).reshape(tensor.shape)
            self.device.host.write(tensor.address, 0, values)
        self._dynamics |= dynamics
        self._replay(self._dynamics, 1, (), keep=False)
        return self.device.read(self._outputs)

    def run_many(self, dynamics: Mapping[str, ArrayLike], steps: int) -> Values:
        return self.submit_many(dynamics, steps).result()

    def submit_many(self, dynamics: Mapping[str, ArrayLike], steps: int) -> Readback:
        require_steps(steps, self.keep)
        indices = np.broadcast_to(np.asarray(dynamics.get("row", 0), np.int64), (steps,)).tolist()
        self._replay({**self._dynamics, **dynamics}, steps, indices, keep=True)
        return self.device.read(
            {name: DeviceTensor(t.address, (steps, *t.shape[1:]), t.dtype) for name, t in self._kept.items()}
        )

    def last(self, names: Sequence[str]) -> Readback:
        return self.device.read({name: self._outputs[name] for name in names})

    def _replay(self, dynamics: dict[str, Any], steps: int, indices: Sequence[int], *, keep: bool) -> None:
        if self._handle is None:
            raise DeviceError("this program was freed", where=self.program.name)
        self.device.host.replay(self._handle, self.plan.row(dynamics, steps), steps, indices, keep)

    def free(self) -> None:
        """Give back everything but the state."""
        if self._handle is not None:
            self.device.host.drop(self._handle)
            self._handle = None
        for buffer in self._owned:
            self.device.host.destroy(buffer)
        self._owned.clear()
