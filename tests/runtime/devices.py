"""The devices that tests of kernels and networks run on. A device that cannot be opened fails its tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from loom_py.runtime.device import Device
from loom_py.runtime.simd import SimdDevice

DEVICES: dict[str, Callable[[], Device]] = {
    "simd": partial(SimdDevice, relaxed=False),
    "simd-relaxed": partial(SimdDevice, relaxed=True, digits="words"),
    "simd-relaxed-bytes": partial(SimdDevice, relaxed=True, digits="bytes"),
    "simd-relaxed-2": partial(SimdDevice, relaxed=True, threads=2),
    "simd-relaxed-5": partial(SimdDevice, relaxed=True, threads=5),
}
