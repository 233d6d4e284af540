"""The `webgpu` and `wgpu` devices: programs as WGSL (`wgsl/*.wgsl`) through a host, in a page or natively."""

from .device import WebGPUDevice
from .host import Host
from .wgpu_host import WgpuHost

__all__ = ["Host", "WebGPUDevice", "WgpuHost"]
