"""What a device is: memory, programs, replays. It knows kernels, never layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

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


class Executable(Protocol):
    """A compiled program with its memory."""

    def run(self, inputs: Mapping[str, Any], /, **dynamics: float) -> dict[str, NDArray[Any]]:
        """One replay: inputs by name → outputs by name. State stays on the device."""
        ...

    def run_many(self, dynamics: Mapping[str, Any], steps: int) -> dict[str, NDArray[Any]]:
        """`steps` replays without Python in between.

        `dynamics` are numbers, or arrays with one value a step; inputs come from the tables that `compile` was told
        of, outputs are stacked (steps, …).
        """
        ...

    def free(self) -> None:
        """Give back the memory of temporaries, constants and tables; state stays."""
        ...


class Device(Protocol):
    """About ten methods; implementations are `simd.SimdDevice` and the WebGPU ones."""

    name: str

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
    ) -> Executable:
        """Make a program ready to be replayed.

        **Arguments:**

        - `state`: a tensor for each of `program.state`, shared with other programs.
        - `tables`: input name → rows (N, *shape): `run_many` takes the input from row `row`, a dynamic number.
        - `keep`: the most steps of one `run_many`, whose outputs are kept.
        """
        ...

    def close(self) -> None:
        """Give everything back; the device cannot be used afterwards."""
        ...
