"""The `simd` device: kernels in C (`simd/*.c`), compiled to WebAssembly, in their own linear memory."""

from ..kernels import import_families
from .binaries import binary
from .device import SimdDevice
from .encode import KERNELS
from .host import Host, open_host

__all__ = ["KERNELS", "Host", "SimdDevice", "binary", "open_host"]

import_families(__name__)
