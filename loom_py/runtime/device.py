"""What a device is: memory, programs, replays. It knows kernels, never layers."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, MutableMapping, Sequence
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .pending import Pending, Waiting
from .program import Program
from .tensor import Array, DeviceTensor, Values

__all__ = ["Activations", "Device", "DeviceTensor", "Executable", "Facts", "Values", "release"]

Activations = Literal["f32", "q16"]
"""What quantised weights are multiplied with: float32, or 16 bits a number with one scale for 32 of them."""
Facts = dict[str, object]
"""JSON for a page to show."""
Key = TypeVar("Key")


class Executable(Protocol):
    """A compiled program with its memory. Replays of it follow one another; its state stays on the device."""

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
        """Outputs of the last replay, whether they were kept or not."""
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
        """The kernels that it has, of the vocabulary `runtime.ops.Ops`."""
        ...

    @property
    def activations(self) -> Sequence[Activations]:
        """What it can multiply quantised weights with, the preferred first."""
        ...

    @property
    def gpu(self) -> bool:
        """Whether a real GPU computes, not one that the CPU emulates."""
        ...

    def info(self) -> Facts:
        """What a page shows: kind, threads, features, `used` bytes."""
        ...

    # --- loss ---------------------------------------------------------------------------------------------------
    @property
    def lost(self) -> str:
        """Why the device is gone; empty while it is there."""
        ...

    @property
    def generation(self) -> int:
        """Grows with each `reopen`: what programs had left in tensors before is gone then."""
        ...

    def reopen(self) -> Generator[Waiting, None, None]:
        """Put a new device in the place of a lost one; without effect if it is not lost.

        Tensors and programs stay valid. Tensors hold what was uploaded or written last; what programs computed is gone.
        Raises `DeviceLost` where no new device is to be had.
        """
        ...

    # --- memory -------------------------------------------------------------------------------------------------
    def upload(self, array: Array) -> DeviceTensor:
        """A copy of an array in device memory: floats as float32, integers as int32."""
        ...

    def upload_stored(self, rows: NDArray[np.uint8], storage: str, shape: tuple[int, ...]) -> DeviceTensor:
        """A matrix of weights, its elements stored as in a file. Raises `DeviceError` for a storage it does not have.

        **Arguments:**

        - `rows`: (rows, bytes of a row).
        - `storage`: `F32`, `F16`, `BF16`, `Q8_0`, `Q4_0` or `Q4_1`.
        - `shape`: (rows, elements of a row).
        """
        ...

    def empty(self, shape: tuple[int, ...], dtype: str) -> DeviceTensor:
        """A tensor of arbitrary values."""
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
        """Several downloads in one."""
        ...

    def free(self, tensor: DeviceTensor) -> None:
        """Give a tensor's memory back."""
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

        - `state`: a tensor for each of `program.state`, shared with other programs.
        - `tables`: input name → rows (N, *shape): `run_many` takes the input from row `row`, a dynamic number.
        - `keep`: the most steps of one `run_many`, whose outputs (or only those named in `kept`) are kept.
        - `activations`: one of `self.activations`.
        """
        ...

    def close(self) -> None:
        """Give everything back; the device cannot be used afterwards."""
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
