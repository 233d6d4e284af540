"""Run cases on a device and compare with float64: ‖out − ref‖ / ‖ref‖."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import DeviceLost, LoomError
from ..device import Device
from ..guards import is_array, is_list
from ..kernel import KERNELS, results
from ..pending import Waiting, settle
from ..tensor import Values
from ..trace import TracingOps
from . import cases
from .cases import Case

LIMIT = 1e-5
"""Largest error that counts as rounding."""


@dataclass(frozen=True)
class Checked:
    """All cases of one kernel: the largest error, and the first fault (empty if there is none)."""

    kernel: str
    cases: int
    error: float
    problem: str
    done: int
    total: int

    def to_json(self) -> dict[str, Any]:
        return {
            "kernel": self.kernel, "cases": self.cases, "error": self.error if np.isfinite(self.error) else None,
            "problem": self.problem, "loaded": self.done, "total": self.total,
        }  # fmt: skip


def check_device(device: Device) -> Generator[Checked | Waiting, None, list[Checked]]:
    """Check every kernel of the device, one after another; ends early only if the device is lost."""
    kernels = [kernel for kernel in cases.GENERATORS if kernel in device.kernels]
    checks: list[Checked] = []
    for kernel in kernels:
        worst, problem, some = 0.0, "", cases.of(kernel)
        for case in some:
            try:
                values = yield from on_device(device, case)
                wrong, size = _compare(case, values)
            except DeviceLost:
                raise
            except LoomError as reason:
                wrong, size = f"{case.label}: {reason}", 0.0
            worst = max(worst, size)
            problem = problem or wrong
        checks.append(Checked(kernel, len(some), worst, problem, len(checks) + 1, len(kernels)))
        yield checks[-1]
    return checks


def _compare(case: Case, values: dict[str, Any]) -> tuple[str, float]:
    """(the first fault, the largest error)."""
    worst = 0.0
    for name, ref in reference(case).items():
        if values[name].shape != ref.shape or not np.isfinite(values[name]).all():
            return f"{case.label}: {name} is no {ref.shape} of finite numbers", np.inf
        worst = max(worst, error(values[name], ref))
    return (f"{case.label}: error {worst:.1e}" if worst >= LIMIT else ""), worst


def reference(case: Case) -> dict[str, Any]:
    """Results and changed tensors, computed by NumPy in float64."""

    def wide(value: Any) -> Any:
        if is_list(value):
            return [wide(v) for v in value]
        return value.astype(np.float64) if is_array(value) and value.dtype == np.float32 else value

    arguments = {name: wide(value) for name, value in case.arguments.items()}
    kernel = KERNELS[case.kernel]
    outputs: Values = {f"out{i}": np.asarray(value) for i, value in enumerate(results(kernel.function(**arguments)))}
    for name in kernel.in_place:
        value = arguments[name]
        if is_list(value):
            outputs |= {f"{name}.{i}": array for i, array in enumerate(value)}
        elif value is not None:
            outputs[name] = value
    return outputs


def on_device(device: Device, case: Case) -> Generator[Waiting, None, dict[str, Any]]:
    """The same from a device, run twice from the same state: a result must not depend on earlier work."""
    ops: Any = TracingOps(str(case))
    changed = KERNELS[case.kernel].in_place
    inputs: dict[str, Any] = {}
    state: dict[str, Any] = {}

    def tensor(name: str, value: Any, kind: str) -> Any:
        if is_list(value):
            return [tensor(f"{name}.{i}", array, kind) for i, array in enumerate(value)]
        (state if kind == "state" else inputs)[name] = value
        return ops.tensor(value, kind, name)

    arguments: dict[str, Any] = {}
    for name, value in case.arguments.items():
        if name in case.dynamic:
            arguments[name] = ops.dynamic(name, value)
        elif name in case.constants or not isinstance(value, (np.ndarray, list)):
            arguments[name] = value
        else:
            arguments[name] = tensor(name, value, "state" if name in changed else "input")
    for i, t in enumerate(results(ops.record(KERNELS[case.kernel], **arguments))):
        ops.output(f"out{i}", t)

    uploaded = {name: device.upload(a) for name, a in state.items()}
    executable = None
    runs: list[dict[str, Any]] = []
    try:
        executable = device.compile(ops.program, uploaded)
        for _ in range(2):
            for name, a in state.items():
                device.write(uploaded[name], a)
            out = yield from settle(executable.submit(inputs, **{name: case.arguments[name] for name in case.dynamic}))
            runs.append(out | ((yield from settle(device.read(uploaded))) if uploaded else {}))
    finally:
        if executable is not None:
            executable.free()
        for t in uploaded.values():
            device.free(t)
    for name, first in runs[0].items():
        if first.tobytes() != runs[1][name].tobytes():
            raise LoomError(f"{name} differs from run to run", where=str(case))
    return runs[0]


def error(out: Any, ref: Any) -> float:
    """‖out − ref‖ / ‖ref‖; ‖out‖ where the reference is 0."""
    return float(np.linalg.norm(np.subtract(out, ref, dtype=np.float64)) / (np.linalg.norm(ref) or 1))
