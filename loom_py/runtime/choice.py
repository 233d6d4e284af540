"""Which device does some work: by wish, by what there is, and by how much there is to do.

Natively everything runs on NumPy unless `use_device` says otherwise; in a page JavaScript tells at the start which
devices could be opened, and `auto` takes the best of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import DeviceError, InputError
from .device import Device, Reopens, finished

NUMPY = "numpy"
NAMES = ("auto", NUMPY, "simd", "webgpu")
GPU_OPERATIONS = 5e8
"""Multiply-adds a replay from which a real GPU is worth its latency; below, the CPU is done before it answers."""


@dataclass(frozen=True)
class Choice:
    """A device and why; `device` is None for NumPy."""

    name: str
    reason: str
    device: Device | None = None

    def to_json(self) -> dict[str, str]:
        return {"device": self.name, "reason": self.reason}


class Devices:
    """What could be opened, what could not and why, and what the user wishes."""

    def __init__(self) -> None:
        self._open: dict[str, Device] = {}
        self._missing: dict[str, str] = {}
        self.wish = NUMPY

    def add(self, device: Device) -> None:
        """A device that is there."""
        self._open[device.name] = device
        self._missing.pop(device.name, None)

    def missing(self, name: str, reason: str) -> None:
        """A device that is not there."""
        self._missing[name] = reason

    def get(self, name: str) -> Device | None:
        return self._open.get(name)

    def _live(self, name: str) -> Device | None:
        """A device that is there and was not lost."""
        device = self._open.get(name)
        return None if device is None or getattr(device, "lost", "") else device

    def _gone(self, name: str) -> str:
        device = self._open.get(name)
        return getattr(device, "lost", "") or self._missing.get(name, "it was not opened")

    def wishes(self, name: str) -> None:
        """Prefer a device from now on. Raises `InputError` for a name that is none."""
        if name not in NAMES:
            raise InputError(f"unknown device {name!r}", where="device", remedy=f"Known: {', '.join(NAMES)}.")
        self.wish = name

    def describe(self) -> list[dict[str, Any]]:
        """Every device: its name, whether it is there, and its facts or the reason."""
        found: list[dict[str, Any]] = [{"device": NUMPY, "available": True}]
        for device in self._open.values():
            lost = getattr(device, "lost", "")
            found.append({"available": not lost, **device.info()} | ({"reason": lost} if lost else {}))
        missing = {n: r for n, r in self._missing.items() if n not in self._open}
        return found + [{"device": n, "available": False, "reason": r} for n, r in missing.items()]

    def candidates(self, operations: float, wish: str | None = None) -> Iterator[Choice]:
        """Choices from best to worst for work of that many multiply-adds a replay; the last one is NumPy."""
        wish = wish or self.wish
        if wish == NUMPY:
            yield Choice(NUMPY, "asked for")
            return
        if wish != "auto":
            device = self._live(wish)
            if device is not None:
                yield Choice(wish, "asked for", device)
            before = "" if device else f"{wish} is not there: {self._gone(wish)}; "
        else:
            before = ""
            gpu = self._live("webgpu")
            if gpu is not None and gpu.info().get("hardware") and operations >= GPU_OPERATIONS:
                yield Choice("webgpu", f"{operations:.1e} multiply-adds at once are work for a GPU", gpu)
        if wish != "simd" and "simd" in self._open:
            yield Choice("simd", before + "compiled kernels on the CPU", self._open["simd"])
        reasons = "; ".join(f"{name}: {reason}" for name, reason in self._missing.items() if name == "simd" != wish)
        yield Choice(NUMPY, before + (reasons or "no other device"))


devices = Devices()
"""Those of this process (or page)."""


def use_device(name: str = "auto", *, threads: int = 1) -> list[dict[str, Any]]:
    """Natively: open a device if it is not open yet and prefer it from now on; every device's facts.

    **Arguments:**

    - `name`: `numpy`, `simd` (needs the extra `simd`), `webgpu` (needs the extra `gpu`), or `auto`.
    - `threads`: of the simd device, 1 … 16.

    Raises `DeviceError` when the device asked for cannot be opened.
    """
    devices.wishes(name)
    for wanted in ("simd", "webgpu") if name == "auto" else (name,):
        opened = devices.get(wanted)
        if wanted == NUMPY:
            continue
        try:
            if opened is None:
                devices.add(_open(wanted, threads))
            elif isinstance(opened, Reopens) and opened.lost:
                finished(opened.reopen())
        except DeviceError as error:
            if name != "auto":
                devices.wishes(NUMPY)
                raise
            devices.missing(wanted, error.message)
    return devices.describe()


def _open(name: str, threads: int) -> Device:
    if name == "simd":
        from .simd import SimdDevice

        return SimdDevice(threads=threads)
    from .webgpu import WebGPUDevice
    from .webgpu.wgpu_host import WgpuHost

    return WebGPUDevice(WgpuHost())
