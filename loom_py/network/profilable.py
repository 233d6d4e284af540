"""The method of a network that says where its time goes."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from ..errors import DeviceError, InputError
from ..marks import Floats, native
from ..progress import to_end
from ..runtime.choice import NAMES, NUMPY, devices
from ..runtime.device import Device
from ..runtime.pending import Waiting
from ..runtime.profiling import Measured, Profile, profile_steps
from ..runtime.program import Program
from ..schema.fields import suggest
from ..training.grid import TrainableGrid
from ..training.losses import Loss
from ..training.step import StepPlan
from ..training.trace import trace_forward, trace_training_step
from ..values import whole

STEPS = ("forward", "training")


class Profilable(TrainableGrid):
    """Mixed into `Network`: the times of its kernels."""

    def profile(
        self,
        input: Floats | None = None,
        step: str = "forward",
        device: str = "",
        repeats: int = 3,
        rows: int = 32,
    ) -> Profile:
        """Where the time of a pass goes, kernel by kernel: `print(network.profile())`. The network stays as it is.

        **Arguments:**

        - `input`: as for `forward`; None for `rows` samples of zeros.
        - `step`: `forward`, or `training` for a whole update with the optimiser in use and the loss `mse`.
        - `device`: the one to measure; the one in use if "".
        - `repeats`: runs whose best counts.

        Raises `DeviceError` for a device that is not open or cannot run the network, and an error that names the layer
        for one that cannot be recorded.
        """
        return to_end(self.profile_steps(input, step, device, repeats, rows))

    @native
    def profile_steps(
        self,
        input: Floats | None = None,
        step: str = "forward",
        device: str = "",
        repeats: int = 3,
        rows: int = 32,
    ) -> Generator[Waiting | Measured, None, Profile]:
        """`profile` for callers that can wait or want to see how far it is."""
        if step not in STEPS:
            raise InputError(f"unknown step {step!r}", where="step", remedy=suggest(step, STEPS))
        if device not in ("", *NAMES) and devices.get(device) is None:
            raise InputError(f"unknown device {device!r}", where="device", remedy=suggest(device, NAMES))
        whole(repeats, "repeats", 1, 1000)
        self.check_not_training()
        x = self._samples(input, rows)
        program = trace_forward(self, x) if step == "forward" else self._training_step(x)
        chosen = _device(program, 3.0 * len(x) * sum(a.size for a in self.parameters.values()), device)
        inputs: dict[str, Any] = {"x": x}
        rate = {"lr": 0.0} if "lr" in program.dynamics else {}  # however often it is repeated, weights stay finite
        state = self.parameters | self.buffers
        return (yield from profile_steps(program, chosen, state, inputs, repeats=repeats, **rate))

    def _samples(self, input: Floats | None, rows: int) -> Any:
        """(B, I)."""
        if input is not None:
            return self.rows(input)
        if self.input_size is None:
            raise InputError("is needed: the first layers take any number of values", where="input")
        return np.zeros((whole(rows, "rows", 1), self.input_size), self.dtype)

    def _training_step(self, x: Any) -> Program:
        y = self.trace_forward(self.ops, self.params, x)[0]
        plan = StepPlan(loss=Loss(), optimiser=self.training_state.optimiser)
        return trace_training_step(self, plan, x, np.zeros(y.shape, self.dtype))


def _device(program: Program, operations: float, name: str) -> Device | None:
    """The device of that name, or the best that can run the program; None for NumPy."""
    exact = name not in ("", "auto")
    for choice in devices.candidates(operations, name or None):
        if exact and choice.name != name:
            raise DeviceError(f"is not available: {devices.absence(name)}", where=name, remedy="Open it first.")
        if choice.device is None:
            return None
        reason = choice.device.supports(program)
        if reason is None:
            return choice.device
        if exact:
            raise DeviceError(reason, where=name, remedy=f"Profile it on {NUMPY}.")
    return None
