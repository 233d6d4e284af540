"""Updates on a device: recorded training steps, many of them replayed without Python in between."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DeviceError, DeviceLost
from ..nn.layer import Params, nest
from ..runtime.choice import Choice, devices
from ..runtime.device import Device, DeviceTensor, Executable, Values, release
from ..runtime.pending import Pending, Waiting, settle
from ..runtime.program import Program
from ..runtime.trace import TraceError
from .data import Data
from .grid import TrainableGrid
from .step import StepPlan
from .trace import trace_loss, trace_training_step

MOST_RECORDED = 8
"""Most programs kept with a network."""
LONGEST_RUN = 4096
"""Most updates in one `run_many`."""
TABLE_BYTES = 256 * 1024 * 1024
"""Most training data kept on a device."""

Shapes = tuple[tuple[int, ...], tuple[int, ...]]


def choose_updates(
    network: TrainableGrid, plan: StepPlan, data: Data, preference: str | None
) -> tuple[Choice, DeviceUpdates | None]:
    """The best device for this training with the reason, and the updates on it (None for NumPy)."""
    rows = max(len(x) for x, _ in data)
    operations = 3.0 * rows * network.get_total_parameters()
    reasons: list[str] = []
    for choice in devices.candidates(operations, preference):
        if choice.device is None:
            return replace(choice, reason="; ".join(reasons) or choice.reason), None
        reason = _refusal(network, choice.device, data)
        if reason is None:
            try:
                updates = DeviceUpdates(network, choice.device, plan, data)
                return replace(choice, reason="; ".join([*reasons, choice.reason])), updates
            except DeviceError as error:
                reason = error.message
            except TraceError as error:
                reason = f"{error.where}: {error.message}"
        reasons.append(f"{choice.name}: {reason}")
    raise AssertionError("NumPy is always a candidate")


def _refusal(network: TrainableGrid, device: Device, data: Data) -> str | None:
    if network.dtype != np.float32:
        return f"the network is {network.dtype}"
    if network.observed:
        return "its layers are observed, and a device does not tell of them"
    if sum(x.nbytes + t.nbytes for x, t in data) > TABLE_BYTES:
        return f"the training data are more than {TABLE_BYTES >> 20} MiB"
    return None


class DeviceUpdates:
    """Weights, optimiser slots and training data in a device's memory, and a program for each shape of batch.

    **Arguments:**

    - `network`: whose weights and `training_state.slots` `pull` brings up to date.
    - `data`: checked batches; updates name them by their index.

    Raises `TraceError` or `DeviceError` when the device cannot run the network.
    """

    def __init__(self, network: TrainableGrid, device: Device, plan: StepPlan, data: Data) -> None:
        self._network, self._device = network, device
        self._state: dict[str, DeviceTensor] = {}
        self._pulled: Values = {}
        self._carried: list[str] = []
        self._plan, self._data = plan, data
        self._executables: dict[Shapes, Executable] = {}
        self._measuring: dict[Shapes, Executable] = {}
        self._place = [0] * len(data)  # row of each batch in its shape's table
        self._shapes: list[Shapes] = [(x.shape, t.shape) for x, t in data]
        self._drawn = 0
        self._generation = device.generation
        self._last: Executable | None = None
        programs = {shapes: _program(network, plan, *_first(data, shapes)) for shapes in dict.fromkeys(self._shapes)}
        for program in programs.values():
            reason = device.supports(program)
            if reason is not None:
                raise DeviceError(reason, where=device.name)
        try:
            self._host = self._host_state()
            self._state = {name: device.upload(a) for name, a in self._host.items()}
            for shapes, program in programs.items():
                self._executables[shapes] = self._compile(program, shapes)
        except BaseException:
            self.free()
            raise
        self.stateful = bool(self._carried)

    def _host_state(self) -> dict[str, NDArray[Any]]:
        """Name in the program → the network's own array."""
        named = {**self._network.parameters, **self._network.buffers}
        for slot, tensors in self._network.training_state.slots.items():
            named |= {f"{slot}.{i}": a for i, a in enumerate(tensors)}
        return named

    def _compile(self, program: Program, shapes: Shapes, kept: tuple[str, ...] = ("loss", "norm")) -> Executable:
        members = [i for i, s in enumerate(self._shapes) if s == shapes]
        for row, i in enumerate(members):
            self._place[i] = row
        tables = {
            "x": np.stack([self._data[i][0] for i in members]),
            "target": np.stack([self._data[i][1] for i in members]),
        }
        # Carried state depends on the number of samples, so every shape of batch has its own.
        mine = dict(self._state)
        for name in [name for name in program.state if name.startswith("carried.")]:
            buffer = program.buffers[program.state[name]]
            key = f"{name} {shapes}"
            if key not in self._state:
                self._state[key] = self._device.upload(np.zeros(buffer.shape, buffer.dtype))
                self._carried.append(key)
            mine[name] = self._state[key]
        return self._device.compile(program, mine, tables=tables, keep=LONGEST_RUN, kept=kept)

    def begin_epoch(self, drawn: int) -> None:
        """Reset carried state; noise continues with draw number `drawn`."""
        self._reset_carried()
        self._drawn = drawn

    def _reset_carried(self) -> None:
        for key in self._carried:
            tensor = self._state[key]
            self._device.write(tensor, np.zeros(tensor.shape, tensor.dtype))

    def run(
        self, rows: Sequence[int], rates: Sequence[float], step: int
    ) -> Generator[Waiting, None, tuple[NDArray[Any], NDArray[Any]]]:
        """Updates from batches `rows` with learning rates `rates`, the first being number `step` → losses, norms."""
        losses, norms, at = np.empty(len(rows)), np.empty(len(rows)), 0
        while at < len(rows):
            shapes = self._shapes[rows[at]]
            end = at + 1
            while end < len(rows) and end - at < LONGEST_RUN and self._shapes[rows[end]] == shapes:
                end += 1
            self._last = executable = self._executables[shapes]
            numbers = np.arange(at, end)
            dynamics: dict[str, Any] = {
                "row": [self._place[i] for i in rows[at:end]],
                "lr": rates[at:end],
                "step": step + numbers,
                "draw": self._drawn + numbers,
            }
            parameters = {"row", *executable.program.dynamics}
            used = {name: values for name, values in dynamics.items() if name in parameters}
            out = yield from self._answer(partial(executable.submit_many, used, end - at))
            losses[at:end], norms[at:end] = out["loss"], out["norm"]
            at = end
        self._drawn += len(rows)
        return losses, norms

    def measure(self) -> Generator[Waiting, None, float]:
        """The mean of all batches' losses with the weights as they are, in evaluation passes in order."""
        self.push()
        self._reset_carried()
        losses = np.empty(len(self._data))
        for at, (batch, shapes) in enumerate(zip(self._data, self._shapes, strict=True)):
            if shapes not in self._measuring:
                program = trace_loss(self._network, self._plan.loss, *batch)
                reason = self._device.supports(program)
                if reason is not None:
                    raise DeviceError(reason, where=self._device.name)
                self._measuring[shapes] = self._compile(program, shapes, kept=("loss",))
            executable = self._measuring[shapes]
            dynamics = {"row": [self._place[at]], "draw": [self._drawn + at]}
            used = {name: values for name, values in dynamics.items() if name in {"row", *executable.program.dynamics}}
            out = yield from self._answer(partial(executable.submit_many, used, 1))
            losses[at] = out["loss"][0]
        return float(losses.mean())

    def _answer(self, ask: Callable[[], Pending[Values]]) -> Generator[Waiting, None, Values]:
        """Wait for the device's answer; `DeviceLost` if it was lost or reopened meanwhile."""
        self._check_generation()
        answer = yield from settle(ask())
        self._check_generation()
        return answer

    def _check_generation(self) -> None:
        """After a reopen the buffers hold the initial weights, so refuse to continue."""
        if self._generation != self._device.generation:
            raise DeviceLost("the device was lost and opened again", where=self._device.name, remedy="Train again.")

    def pull(self) -> Generator[Waiting, None, None]:
        """Copy weights and optimiser slots back into the network's own arrays."""
        tensors = {name: self._state[name] for name in self._host}
        answer = yield from self._answer(partial(self._device.read, tensors))
        for name, array in self._host.items():
            array[...] = answer[name]
        self._pulled = answer

    def push(self) -> None:
        """Upload what was changed in the network's own arrays since `pull`."""
        for name, pulled in self._pulled.items():
            if not np.array_equal(self._host[name], pulled):
                self._device.write(self._state[name], self._host[name])

    def gradients(self) -> Generator[Waiting, None, list[Params] | None]:
        """The gradients of the last update, as clipped; None before one."""
        if self._last is None:
            return None
        names = [name for name in self._last.program.outputs if name.startswith("gradient.")]
        answer = yield from self._answer(partial(self._last.last, names))
        return [nest(p, f"gradient.layers.{i}", answer) for i, p in enumerate(self._network.params)]

    def free(self) -> None:
        """Free the device's memory."""
        for executable in self._measuring.values():
            executable.free()
        self._measuring.clear()
        release(self._device, self._state, self._executables)


def _first(data: Data, shapes: Shapes) -> tuple[NDArray[Any], NDArray[Any]]:
    return next((x, t) for x, t in data if (x.shape, t.shape) == shapes)


def _program(network: TrainableGrid, plan: StepPlan, x: NDArray[Any], target: NDArray[Any]) -> Program:
    """The recorded step, kept with the network because pages train in many short calls."""
    key = plan, x.shape, target.shape
    layers, program = network.recorded.get(key, ([], None))
    if program is None or list(map(id, layers)) != list(map(id, network.layers)):
        program = trace_training_step(network, plan, x, target)
        while len(network.recorded) >= MOST_RECORDED:
            network.recorded.pop(next(iter(network.recorded)))
        network.recorded[key] = list(network.layers), program
    return program
