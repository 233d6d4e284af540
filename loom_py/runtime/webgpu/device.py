"""`WebGPUDevice`: tensors and programs on the GPU of a `Host`, in a page or natively."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from math import prod

from ...errors import DeviceLost, InputError
from ..binding import refusal, require_support
from ..device import Activations, Facts
from ..pending import Waiting
from ..program import Program
from ..stored import StoredRows
from ..tensor import Array, DeviceTensor, fitting, narrowed
from .encode import KERNELS
from .executable import WebGPUExecutable
from .host import Host
from .parts import WebGPUParts
from .plan import padded
from .storage import buffer_bytes, rearranged
from .token_check import TokenCheck
from .transfer import DTYPES, Readback, place, read


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
    def lacks_room(self, sizes: Sequence[int]) -> str | None:
        """A GPU does not say how much memory it has, only how large a buffer may be."""
        limit, largest = self.host.limits["maxBufferSize"], max(sizes, default=0)
        return f"a tensor of {largest:,} bytes, this device's buffers hold {limit:,}" if largest > limit else None

    def upload(self, array: Array) -> DeviceTensor:
        values = narrowed(array, DTYPES)
        return DeviceTensor(place(self.host, values).buffer, values.shape, values.dtype.name)

    def upload_stored(self, rows: StoredRows, storage: str, shape: tuple[int, ...]) -> DeviceTensor:
        """See `Device`. The bytes are rearranged as `storage.py` describes, without loss or growth."""
        words, storage = rearranged(rows[:], storage, shape)
        return DeviceTensor(place(self.host, words).buffer, shape, storage)

    def copy(self, source: DeviceTensor, target: DeviceTensor) -> None:
        nbytes = buffer_bytes(source.shape, source.dtype)
        if nbytes > buffer_bytes(target.shape, target.dtype):
            raise InputError(f"{source.shape} does not fit {target.shape}", where="copy")
        self.host.copy(source.address, target.address, nbytes)

    def empty(self, shape: tuple[int, ...], dtype: str) -> DeviceTensor:
        return DeviceTensor(self.host.create(padded(4 * prod(shape))), shape, DTYPES.get(dtype, dtype))

    def write(self, tensor: DeviceTensor, array: Array) -> None:
        self.host.write(tensor.address, 0, fitting(tensor, array, DTYPES))

    def download(self, tensor: DeviceTensor) -> Array:
        return self.read({"": tensor}).result()[""]

    def read(self, tensors: Mapping[str, DeviceTensor]) -> Readback:
        return read(self.host, tensors)

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
        parts = [b for b in program.buffers if b.size < program.buffers[program.root(b.index)].size]
        if parts:
            return f"buffer {parts[0].index} is part of another"
        return refusal(program, KERNELS) or TokenCheck(program).refusal

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
        """See `Device`. Activations are float32, whatever is requested."""
        require_support(self, program)
        return WebGPUExecutable(
            self.host, program, state, tables or {}, keep, program.outputs if kept is None else kept
        )

    def compile_parts(
        self, program: Program, state: Mapping[str, DeviceTensor], *, activations: Activations = "f32"
    ) -> WebGPUParts:
        """See `runtime.parts.Divisible`."""
        require_support(self, program)
        return WebGPUParts(self.host, program, state, {}, 0, ())

    def close(self) -> None:
        self.host.close()
