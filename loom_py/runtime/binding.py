"""Checks of every device before it binds a program to tensors."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..errors import DeviceError
from ..values import whole
from .program import Program
from .tensor import Array, DeviceTensor, narrowed


def refusal(program: Program, kernels: Collection[str]) -> str | None:
    """Why a device with these kernels cannot run a program, or None if it can."""
    missing = sorted({d.kernel for d in program.dispatches}.difference(kernels))
    if missing:
        return f"the kernel {missing[0]} is not there"
    wide = [b.name for b in program.buffers if b.kind in ("state", "input") and b.dtype == "float64"]
    return f"{wide[0]} is float64" if wide else None


def require_support(device: str, program: Program, kernels: Collection[str]) -> None:
    """Raises `DeviceError` with the `refusal`, if there is one."""
    reason = refusal(program, kernels)
    if reason is not None:
        raise DeviceError(reason, where=f"{device}, program {program.name}", remedy="Run it on NumPy.")


def bound_state(program: Program, state: Mapping[str, DeviceTensor]) -> dict[int, DeviceTensor]:
    """Buffer → tensor for all state of a program. Raises `DeviceError` for one that is missing or does not fit."""
    bound: dict[int, DeviceTensor] = {}
    for name, index in program.state.items():
        tensor, shape = state.get(name), program.buffers[index].shape
        if tensor is None:
            raise DeviceError(f"the state {name} is missing", where=program.name)
        if tensor.shape != shape:
            raise DeviceError(f"{name} is {tensor.shape}, expected {shape}", where=program.name)
        bound[index] = tensor
    return bound


def table_rows(program: Program, name: str, rows: Array, dtypes: Mapping[str, str]) -> Array:
    """Rows (N, *shape) of an input as a device keeps them. Raises `DeviceError` if their shape is not the input's."""
    shape = program.buffers[program.inputs[name]].shape
    values = narrowed(rows, dtypes)
    if values.shape[1:] != shape:
        raise DeviceError(f"rows of {name} are {values.shape[1:]}, expected {shape}", where=program.name)
    return values


def require_steps(steps: int, keep: int) -> None:
    """Raises `InputError` for more steps in one `run_many` than outputs are kept."""
    whole(steps, "steps", 1, keep)
