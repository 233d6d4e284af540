"""What a device is: memory, programs, replays. It knows kernels, never layers."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, MutableMapping, Sequence
from typing import Literal, Protocol, TypeVar

from numpy.typing import ArrayLike

from .pending import Pending, Waiting
from .program import Program
from .stored import StoredRows
from .tensor import Array, DeviceTensor, Values

__all__ = ["Activations", "Device", "DeviceTensor", "Executable", "Facts", "Values", "release"]

Activations = Literal["f32", "q16"]
"""What quantised weights are multiplied with: float32, or 16 bits a number with one scale for 32 of them."""
Facts = dict[str, object]
"""JSON for a page to show."""
Key = TypeVar("Key")


class Executable(Protocol):
    """A compiled program with its memory. Replays run one after another; the state stays on the device."""

    @property
    def program(self) -> Program: ...

    def run(self, inputs: Mapping[str, ArrayLike], /, **dynamics: float) -> Values:
        """One replay: inputs by name → outputs by name."""
        ...

    def submit(self, inputs: Mapping[str, ArrayLike], /, **dynamics: float) -> Pending[Values]:
        """`run` without waiting for the results."""
        ...

    def run_many(self, dynamics: Mapping[str, ArrayLike], steps: int) -> Values:
        """`steps` replays without Python in between → outputs stacked, (steps, …).

        **Arguments:**

        - `dynamics`: numbers, or arrays with one value a step; inputs come from the tables given to `compile`.
        - `steps`: up to `keep` of `compile`.
        """
        ...

    def submit_many(self, dynamics: Mapping[str, ArrayLike], steps: int) -> Pending[Values]:
        """`run_many` without waiting for the results."""
        ...

    def last(self, names: Sequence[str]) -> Pending[Values]:
        """Outputs of the last replay, kept or not."""
        ...

    def free(self) -> None:
        """Free the memory of temporaries, constants and tables; state stays."""
        ...


class Device(Protocol):
    """Somewhere programs run: `simd.SimdDevice`, `webgpu.WebGPUDevice`, or one that a user adds to `choice.devices`.

    There is no device for NumPy: where one may be chosen, None stands for it.
    """

    @property
    def name(self) -> str: ...

    @property
    def kernels(self) -> Collection[str]:
        """Names of its kernels, from the vocabulary `runtime.ops.Ops`."""
        ...

    @property
    def activations(self) -> Sequence[Activations]:
        """Forms of activations that it multiplies with quantised weights, the preferred one first."""
        ...

    @property
    def gpu(self) -> bool:
        """Whether a hardware GPU computes, not one that the CPU emulates."""
        ...

    def info(self) -> Facts:
        """What a page shows: kind, threads, features, `used` bytes."""
        ...

    # --- loss ---------------------------------------------------------------------------------------------------
    @property
    def lost(self) -> str:
        """Why the device was lost; empty while it works."""
        ...

    @property
    def generation(self) -> int:
        """Grows with each `reopen`, which discards what programs have computed into tensors."""
        ...

    def reopen(self) -> Generator[Waiting, None, None]:
        """Replace a lost device by a new one; no effect if it is not lost.

        Tensors and programs stay valid. Tensors hold the data last uploaded or written; results of programs are lost.
        Raises `DeviceLost` if no new device is available.
        """
        ...

    # --- memory -------------------------------------------------------------------------------------------------
    def lacks_room(self, sizes: Sequence[int]) -> str | None:
        """Why there is no room for more tensors of these sizes (bytes), or None where the device sees no reason."""
        ...

    def upload(self, array: Array) -> DeviceTensor:
        """A copy of an array in device memory: floats as float32, integers as int32."""
        ...

    def upload_stored(self, rows: StoredRows, storage: str, shape: tuple[int, ...]) -> DeviceTensor:
        """A matrix of weights, stored as in a file. Raises `DeviceError` for a storage that the device lacks.

        What `rows` raise passes through; nothing stays on the device then.

        **Arguments:**

        - `rows`: (rows, bytes of a row), read once from first to last, in parts if the device can.
        - `storage`: `F32`, `F16`, `BF16`, `Q8_0`, `Q4_0` or `Q4_1`.
        - `shape`: (rows, elements of a row).
        """
        ...

    def empty(self, shape: tuple[int, ...], dtype: str) -> DeviceTensor:
        """A tensor of arbitrary values, in the dtype that `upload` gives arrays of this one."""
        ...

    def copy(self, source: DeviceTensor, target: DeviceTensor) -> None:
        """Copy a tensor to the start of another. Raises `InputError` if it does not fit."""
        ...

    def write(self, tensor: DeviceTensor, array: Array) -> None:
        """Overwrite a tensor. Raises `InputError` if shape or dtype differ."""
        ...

    def download(self, tensor: DeviceTensor) -> Array:
        """A copy of a tensor as a NumPy array."""
        ...

    def read(self, tensors: Mapping[str, DeviceTensor]) -> Pending[Values]:
        """Download several tensors at once."""
        ...

    def free(self, tensor: DeviceTensor) -> None:
        """Free a tensor's memory."""
        ...

    # --- programs -----------------------------------------------------------------------------------------------
    def supports(self, program: Program) -> str | None:
        """Why this device cannot run a program, or None if it can."""
        ...

    def compile(
        self,
        program: Program,
        state: Mapping[str, DeviceTensor],
        *,
        tables: Mapping[str, Array] | None = None,
        keep: int = 0,
        kept: Sequence[str] | None = None,
        activations: Activations = "f32",
    ) -> Executable:
        """Make a program ready to be replayed. Raises `DeviceError` if the device cannot run it.

        **Arguments:**

        - `state`: a tensor for each of `program.state`; programs may share them.
        - `tables`: input name → rows (N, *shape): `run_many` takes the input from row `row`, a dynamic number.
        - `keep`: the most steps of one `run_many`, whose outputs (or only those named in `kept`) are kept.
        - `activations`: one of `self.activations`.
        """
        ...

    def close(self) -> None:
        """Free everything; the device cannot be used afterwards."""
        ...


def release(
    device: Device, tensors: MutableMapping[str, DeviceTensor], executables: MutableMapping[Key, Executable]
) -> None:
    """Free all of them and forget them."""
    for executable in executables.values():
        executable.free()
    for tensor in tensors.values():
        device.free(tensor)
    executables.clear()
    tensors.clear()
