"""The `simd` device: kernels in C (`simd/*.c`), compiled to WebAssembly, in their own linear memory."""

from .device import SimdDevice
from .host import Host, binary, open_host

__all__ = ["Host", "SimdDevice", "binary", "open_host"]
