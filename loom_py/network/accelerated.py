"""The network's methods for a GPU, by the original's names."""

from __future__ import annotations

import time
from collections.abc import Generator

import numpy as np

from ..errors import DeviceError
from ..marks import Duration, Floats, native
from ..nn.grid import Grid
from ..runtime.choice import devices, use_device
from ..runtime.pending import Waiting, finished
from ..values import to_array
from .on_device import NetworkOnDevice


class Accelerated(Grid):
    """Mixed into `Network`: explicit use of a GPU; without `init_gpu` these methods raise `DeviceError`."""

    _on_gpu: NetworkOnDevice | None = None

    def init_gpu(self) -> None:
        """Prepare the GPU for this network, reopening it if it was lost.

        Raises `DeviceError` with the reason where there is none.
        """
        return finished(self.init_gpu_steps())

    @native
    def init_gpu_steps(self) -> Generator[Waiting, None, None]:
        """`init_gpu` for callers that can wait."""
        if devices.get("webgpu") is None:
            preference = devices.preference
            try:
                use_device("webgpu")
            finally:
                devices.prefer(preference)
        device = devices.get("webgpu")
        if device is None:
            raise DeviceError("there is no GPU device", where="InitGPU", remedy="Use ForwardCPU.")
        yield from device.reopen()
        self.release_gpu()
        self._on_gpu = NetworkOnDevice(self, device)

    def release_gpu(self) -> None:
        """Free the GPU's memory; no effect without `init_gpu`."""
        if self._on_gpu is not None:
            self._on_gpu.free()
            self._on_gpu = None

    def forward_gpu(self, input: Floats) -> tuple[Floats, Duration]:
        """As `forward_cpu`, on the GPU → (flat output of B·O values, nanoseconds)."""
        return finished(self.forward_gpu_steps(input))

    def backward_gpu(self, grad_output: Floats) -> tuple[Floats, Duration]:
        """Backpropagate on the GPU from the gradient of `forward_gpu`'s output → (flat gradient of the input, ns)."""
        return finished(self.backward_gpu_steps(grad_output))

    @native
    def forward_gpu_steps(self, input: Floats) -> Generator[Waiting, None, tuple[Floats, Duration]]:
        """`forward_gpu` for callers that can wait."""
        start = time.perf_counter_ns()
        rows = self.rows(input)
        y = yield from self._gpu().forward(np.ascontiguousarray(rows, np.float32))
        return y.ravel(), Duration(time.perf_counter_ns() - start)

    @native
    def backward_gpu_steps(self, grad_output: Floats) -> Generator[Waiting, None, tuple[Floats, Duration]]:
        """`backward_gpu` for callers that can wait."""
        start = time.perf_counter_ns()
        gy = to_array(grad_output, np.dtype(np.float32), "grad_output")
        gx, gradients = yield from self._gpu().backward(gy)
        self.set_gradients(gradients)
        return gx.ravel(), Duration(time.perf_counter_ns() - start)

    def _gpu(self) -> NetworkOnDevice:
        if self._on_gpu is None:
            raise DeviceError("the GPU was not initialised", where="GPU", remedy="Call InitGPU first.")
        return self._on_gpu
