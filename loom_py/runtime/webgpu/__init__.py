"""The `webgpu` device: programs as WGSL (`wgsl/*.wgsl`) through a host, JavaScript's in a page, wgpu-py natively."""

from ..kernels import import_families
from .device import WebGPUDevice
from .encode import KERNELS
from .host import Host

__all__ = ["KERNELS", "Host", "WebGPUDevice"]

import_families(__name__)
