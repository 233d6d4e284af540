"""Checks of every device before it binds a program to tensors."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from ..errors import DeviceError, InputError
from ..values import whole
from .device import Device
from .guards import is_tuple
from .kernel import KERNELS
from .program import Program, Ref
from .tensor import Array, DeviceTensor, Values, narrowed

BYTES = {"float32": 4, "float64": 4, "int32": 4, "int64": 4, "bool": 1, "uint8": 1}
"""NumPy dtype → bytes of an element on a device."""
WEIGHTS = ("weight", "weights", "gate", "up", "table")
"""Operands of linear products and embeddings, which may be stored in any way."""


def refusal(program: Program, kernels: Collection[str]) -> str | None:
    """Why a device with these kernels cannot run a program, or None if it can."""
    missing = sorted({d.kernel for d in program.dispatches}.difference(kernels))
    if missing:
        return f"the kernel {missing[0]} is not there"
    wide = [b.name for b in program.buffers if b.kind in ("state", "input") and b.dtype == "float64"]
    return f"{wide[0]} is float64" if wide else None


def require_support(device: Device, program: Program) -> None:
    """Raises `DeviceError` with the reason why a device cannot run a program, if there is one."""
    reason = device.supports(program)
    if reason is not None:
        raise DeviceError(reason, where=f"{device.name}, program {program.name}", remedy="Run it on NumPy.")


def bound_state(program: Program, state: Mapping[str, DeviceTensor]) -> dict[int, DeviceTensor]:
    """Buffer → tensor for all state of a program. Raises `DeviceError` for one that is missing or does not fit."""
    bound: dict[int, DeviceTensor] = {}
    plain = _plain_operands(program)
    for name, index in program.state.items():
        tensor, shape = state.get(name), program.buffers[index].shape
        if tensor is None:
            raise DeviceError(f"the state {name} is missing", where=program.name)
        if tensor.shape != shape:
            raise DeviceError(f"{name} is {tensor.shape}, expected {shape}", where=program.name)
        # A device may hold small numbers in larger ones: WebGPU has a word for every flag.
        if tensor.dtype in BYTES and BYTES[tensor.dtype] < BYTES[program.buffers[index].dtype]:
            expected = program.buffers[index].dtype
            raise DeviceError(f"{name} is {tensor.dtype}, expected {expected}", where=program.name)
        if tensor.dtype not in BYTES and index in plain:
            raise DeviceError(f"{name} must be float32 for {plain[index]}", where=program.name)
        bound[index] = tensor
    return bound


def _plain_operands(program: Program) -> dict[int, str]:
    """Buffer → a kernel that reads it as plain numbers, not as weights in any storage."""
    plain: dict[int, str] = {}
    for d in program.dispatches:
        weights = WEIGHTS if KERNELS[d.kernel].family in ("linear", "embedding", "experts") else ()
        for name, value in d.arguments.items():
            if name not in weights:
                operands = value if is_tuple(value) else (value,)
                plain.update((operand.index, d.kernel) for operand in operands if isinstance(operand, Ref))
    return plain


def input_values(program: Program, tensors: Mapping[str, DeviceTensor], inputs: Mapping[str, ArrayLike]) -> Values:
    """Inputs of one replay as a device keeps them.

    Raises `InputError` for one that the program does not have, or of another size.
    """
    values: Values = {}
    for name, value in inputs.items():
        tensor = tensors.get(name)
        if tensor is None:
            raise InputError(f"program {program.name} has no such input", where=name)
        values[name] = np.ascontiguousarray(value, tensor.dtype)
        if values[name].size != tensor.size:
            raise InputError(f"expected {tensor.shape}, got {values[name].shape}", where=name)
    return values


def require_dynamics(program: Program, names: Iterable[str]) -> None:
    """Raises `InputError` for a number that the program has not."""
    for name in names:
        if name not in program.dynamics and name != "row":
            raise InputError(f"program {program.name} has no such number", where=name)


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
