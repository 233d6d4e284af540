"""What a device is: memory, programs, replays. It knows kernels, never layers."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..errors import DeviceError
from .program import Program


@dataclass(frozen=True)
class DeviceTensor:
    """A tensor in a device's memory. `dtype` is a NumPy name, or a storage of `formats.dtypes` such as `Q4_1`."""

    address: int
    shape: tuple[int, ...]
    dtype: str

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of a tensor of a NumPy dtype."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize


Values = dict[str, NDArray[Any]]
T = TypeVar("T", covariant=True)


class Pending(Protocol[T]):
    """Something that a device will have: `promise` is what JavaScript waits for, None if it is there already."""

    promise: Any

    def result(self) -> T:
        """It. Only after `promise` has settled; raises what went wrong."""
        ...


@dataclass(frozen=True)
class Done(Pending[T]):
    """A `Pending` that is there."""

    value: T
    promise: Any = None

    def result(self) -> T:
        return self.value


@dataclass(frozen=True)
class Waiting:
    """Yielded by long work that cannot go on before a JavaScript promise has settled."""

    promise: Any


def settle(pending: Pending[T]) -> Generator[Waiting, None, T]:
    """`result = yield from settle(pending)` inside long work."""
    if pending.promise is not None:
        yield Waiting(pending.promise)
    return pending.result()


def finished(steps: Generator[Waiting, None, T]) -> T:
    """Drive work to its end where a device answers at once; elsewhere a `DeviceError` says how to wait."""
    try:
        next(steps)
    except StopIteration as stop:
        return stop.value
    steps.close()
    remedy = "Use the promise API, which waits: await network.call('ForwardGPU', …)."
    raise DeviceError("WebGPU in a page answers later", where="GPU", remedy=remedy)


class Executable(Protocol):
    """A compiled program with its memory."""

    program: Program

    def run(self, inputs: Mapping[str, Any], /, **dynamics: float) -> Values:
        """One replay: inputs by name → outputs by name. State stays on the device."""
        ...

    def submit(self, inputs: Mapping[str, Any], /, **dynamics: float) -> Pending[Values]:
        """`run` without waiting for the results."""
        ...

    def run_many(self, dynamics: Mapping[str, Any], steps: int) -> Values:
        """`steps` replays without Python in between.

        `dynamics` are numbers, or arrays with one value a step; inputs come from the tables that `compile` was told
        of, outputs are stacked (steps, …).
        """
        ...

    def submit_many(self, dynamics: Mapping[str, Any], steps: int) -> Pending[Values]:
        """`run_many` without waiting for the results."""
        ...

    def last(self, names: Sequence[str]) -> Pending[Values]:
        """Outputs of the last replay, whether they were kept or not."""
        ...

    def free(self) -> None:
        """Give back the memory of temporaries, constants and tables; state stays."""
        ...


class Device(Protocol):
    """About ten methods; implementations are `simd.SimdDevice` and the WebGPU ones."""

    name: str
    kernels: Collection[str]
    """Those of the vocabulary that it has."""

    @property
    def generation(self) -> int:
        """Changes when a lost device is opened anew: what programs left in its tensors before is gone then."""
        ...

    def info(self) -> dict[str, Any]:
        """What a page shows: kind, threads, features, bytes in use."""
        ...

    def upload(self, array: NDArray[Any]) -> DeviceTensor:
        """A copy of an array in device memory: floats as float32, integers as int32."""
        ...

    def write(self, tensor: DeviceTensor, array: NDArray[Any]) -> None:
        """Overwrite a tensor."""
        ...

    def download(self, tensor: DeviceTensor) -> NDArray[Any]:
        """A copy of a tensor as a NumPy array."""
        ...

    def read(self, tensors: Mapping[str, DeviceTensor]) -> Pending[Values]:
        """Several downloads in one."""
        ...

    def free(self, tensor: DeviceTensor) -> None: ...

    def supports(self, program: Program) -> str | None:
        """Why this device cannot run a program, or None if it can."""
        ...

    def compile(
        self,
        program: Program,
        state: Mapping[str, DeviceTensor],
        *,
        tables: Mapping[str, NDArray[Any]] | None = None,
        keep: int = 0,
        kept: Sequence[str] | None = None,
    ) -> Executable:
        """Make a program ready to be replayed.

        **Arguments:**

        - `state`: a tensor for each of `program.state`, shared with other programs.
        - `tables`: input name → rows (N, *shape): `run_many` takes the input from row `row`, a dynamic number.
        - `keep`: the most steps of one `run_many`, whose outputs (or only those named in `kept`) are kept.
        """
        ...

    def close(self) -> None:
        """Give everything back; the device cannot be used afterwards."""
        ...


@runtime_checkable
class Reopens(Protocol):
    """A device that can be lost and had again."""

    @property
    def lost(self) -> str:
        """Why it is gone; empty while it is there."""
        ...

    def reopen(self) -> Generator[Waiting, None, None]:
        """Go on with a new one; what programs computed is gone. Raises `DeviceLost` where there is none."""
        ...


def refusal(program: Program, kernels: Collection[str]) -> str | None:
    """Why a device with these kernels cannot run a program, or None if it can."""
    missing = sorted({d.kernel for d in program.dispatches}.difference(kernels))
    if missing:
        return f"the kernel {missing[0]} is not there"
    wide = [b.name for b in program.buffers if b.kind in ("state", "input") and b.dtype == "float64"]
    return f"{wide[0]} is float64" if wide else None


def release(device: Device, tensors: dict[str, DeviceTensor], executables: dict[Any, Executable]) -> None:
    """Free all of them and forget them."""
    for executable in executables.values():
        executable.free()
    for tensor in tensors.values():
        device.free(tensor)
    executables.clear()
    tensors.clear()
