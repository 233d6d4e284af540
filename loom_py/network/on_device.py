"""A network's forward and backward pass on a device, outside training."""

from __future__ import annotations

import weakref
from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DeviceError, InputError
from ..nn.grid import Grid
from ..runtime.device import Device, DeviceTensor, Executable, Values, release
from ..runtime.pending import Waiting, settle
from ..runtime.program import Program
from ..runtime.trace import TraceError
from ..training.trace import trace_backward, trace_forward

Array = NDArray[Any]


class NetworkOnDevice:
    """Programs of one network, and its parameters in the device's memory.

    The network's arrays are the master copy and are uploaded before each pass, since anything may have changed them.
    """

    def __init__(self, grid: Grid, device: Device) -> None:
        self.device, self._grid = device, grid
        self._layers = list(grid.layers)
        self._state: dict[str, DeviceTensor] = {}
        self._executables: dict[tuple[str, tuple[int, ...]], Executable] = {}
        self._finalizer = weakref.finalize(self, release, device, self._state, self._executables)
        self._x: Array | None = None
        self._out_shape: tuple[int, ...] = ()

    def forward(self, x: Array) -> Generator[Waiting, None, Array]:
        """(B, I) → (B, O); `x` is kept for `backward`."""
        out = yield from self._run("forward", x, {"x": x})
        self._x, self._out_shape = x.copy(), out["y"].shape
        return out["y"]

    def backward(self, gy: Array) -> Generator[Waiting, None, tuple[Array, Values]]:
        """Gradient of the last output → gradient of its input, and of each parameter by its path.

        The forward pass runs again inside, with the current weights.
        """
        if self._x is None:
            raise InputError("BackwardGPU needs a ForwardGPU first")
        if gy.size != np.prod(self._out_shape):
            wanted = np.prod(self._out_shape)
            raise InputError(f"the output has {wanted} values, its gradient {gy.size}", where="grad_output")
        out = yield from self._run("backward", self._x, {"x": self._x, "gy": gy.reshape(self._out_shape)})
        return out.pop("gx"), {name.removeprefix("gradient."): g for name, g in out.items()}

    def _run(self, kind: str, x: Array, inputs: dict[str, Array]) -> Generator[Waiting, None, Values]:
        if list(map(id, self._layers)) != list(map(id, self._grid.layers)):
            raise DeviceError("layers were replaced since InitGPU", where="network", remedy="Call InitGPU again.")
        if self._grid.training:
            remedy = "Call SetTraining(false), or use ForwardCPU."
            raise DeviceError("GPU passes are not training passes", where="network", remedy=remedy)
        for name, a in (self._grid.parameters | self._grid.buffers).items():
            if name in self._state:
                self.device.write(self._state[name], a)
            else:
                self._state[name] = self.device.upload(a)
        executable = self._executables.get((kind, x.shape))
        if executable is None:
            executable = self._executables[kind, x.shape] = self._compile(kind, x)
        for name, tensor in self._state.items():
            if name.startswith("carried."):  # every pass starts from zero state
                self.device.write(tensor, np.zeros(tensor.shape, tensor.dtype))
        return (yield from settle(executable.submit(inputs)))

    def _compile(self, kind: str, x: Array) -> Executable:
        try:
            program = trace_forward(self._grid, x) if kind == "forward" else trace_backward(self._grid, x)
        except TraceError as error:
            raise DeviceError(error.message, where=error.where, remedy="Use ForwardCPU for this network.") from error
        state = dict(self._state)
        for name, index in program.state.items():
            if name.startswith("carried."):
                state[name] = self._carried(name, program, index)
        return self.device.compile(program, state)

    def _carried(self, name: str, program: Program, index: int) -> DeviceTensor:
        buffer = program.buffers[index]
        key = f"{name} {buffer.shape}"
        if key not in self._state:
            self._state[key] = self.device.upload(np.zeros(buffer.shape, buffer.dtype))
        return self._state[key]

    def free(self) -> None:
        """Free the device's memory; garbage collection of the network does so too."""
        self._finalizer()
        self._x = None
