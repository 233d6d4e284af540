"""The `simd` device: kernels in C (`simd/*.c`), compiled to WebAssembly, in their own linear memory."""

from ..kernels import import_families
from .device import SimdDevice
from .encode import KERNELS
from .host import Host, binary, open_host

__all__ = ["KERNELS", "Host", "SimdDevice", "binary", "open_host"]

import_families(__name__)
