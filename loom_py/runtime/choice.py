"""Which device runs some work: the user's preference, what is available, and how much there is to compute.

Natively networks run on NumPy until `use_device` says otherwise, and language models on the fastest device that
`open_fastest` finds. In a page JavaScript reports at the start which devices it could open, and `auto` takes the best.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from ..errors import DeviceError, DeviceLost, InputError
from .device import Device, Facts
from .pending import finished

NUMPY = "numpy"
NAMES = ("auto", NUMPY, "simd", "webgpu")
MOST_THREADS = 16
GPU_OPERATIONS = 5e8
"""Multiply-adds per replay from which a hardware GPU is worth its latency; below, the CPU finishes earlier."""


@dataclass(frozen=True)
class Choice:
    """A device and why it was chosen; `device` is None for NumPy."""

    name: str
    reason: str
    device: Device | None = None

    def to_json(self) -> dict[str, str]:
        return {"device": self.name, "reason": self.reason}


class Devices:
    """The devices that are open, why others are not, and which one the user prefers."""

    def __init__(self) -> None:
        self._open: dict[str, Device] = {}
        self._missing: dict[str, str] = {}
        self.preference = NUMPY
        self.chosen = False
        """Whether somebody has named a device."""

    def add(self, device: Device) -> None:
        """Make an open device available under its name."""
        self._open[device.name] = device
        self._missing.pop(device.name, None)

    def missing(self, name: str, reason: str) -> None:
        """Record why a device could not be opened."""
        self._missing[name] = reason

    def get(self, name: str) -> Device | None:
        """The open device of that name, lost or not."""
        return self._open.get(name)

    def open_devices(self) -> list[Device]:
        """Those that are open and were not lost."""
        return [device for device in self._open.values() if not device.lost]

    def prefer(self, name: str) -> None:
        """Prefer a device from now on. Raises `InputError` for a name that no device has."""
        self.check(name)
        self.preference, self.chosen = name, True

    def check(self, name: str) -> None:
        """Raise `InputError` for a name that no device has."""
        given = cast(object, name)
        if not isinstance(given, str) or (name not in NAMES and name not in self._open):
            names = ", ".join(dict.fromkeys([*NAMES, *self._open]))
            raise InputError(f"unknown device {name!r}", where="device", remedy=f"Known: {names}.")

    def describe(self) -> list[Facts]:
        """Every device: its name, whether it is available, and its facts or the reason."""
        facts: list[Facts] = [{"device": NUMPY, "available": True}]
        for device in self._open.values():
            reason: Facts = {"reason": device.lost} if device.lost else {}
            facts.append({"available": not device.lost, **device.info()} | reason)
        return facts + [
            {"device": name, "available": False, "reason": reason}
            for name, reason in self._missing.items()
            if name not in self._open
        ]

    def candidates(self, operations: float, preference: str | None = None) -> Iterator[Choice]:
        """Choices from best to worst for a replay of that many multiply-adds; the last one is NumPy."""
        preference = preference or self.preference
        if preference == NUMPY:
            yield Choice(NUMPY, "asked for")
            return
        before = ""
        if preference == "auto":
            gpu = self._live("webgpu")
            if gpu is not None and gpu.gpu and operations >= GPU_OPERATIONS:
                yield Choice("webgpu", f"{operations:.1e} multiply-adds at once are work for a GPU", gpu)
        elif device := self._live(preference):
            yield Choice(preference, "asked for", device)
        else:
            before = f"{preference} is not available: {self.absence(preference)}; "
        if preference != "simd" and "simd" in self._open:
            yield Choice("simd", before + "compiled kernels on the CPU", self._open["simd"])
        no_simd = f"simd: {self._missing['simd']}" if preference != "simd" and "simd" in self._missing else ""
        yield Choice(NUMPY, before + (no_simd or "no other device"))

    def _live(self, name: str) -> Device | None:
        """A device that is open and not lost."""
        device = self._open.get(name)
        return None if device is None or device.lost else device

    def absence(self, name: str) -> str:
        """Why a device is not there, or not any more."""
        device = self._open.get(name)
        return device.lost if device else self._missing.get(name, "it was not opened")


devices = Devices()
"""The devices of this process (or page)."""


def use_device(name: str = "auto", *, threads: int = 1) -> list[Facts]:
    """Natively: open a device unless it is open, and prefer it from now on → every device's facts.

    **Arguments:**

    - `name`: `numpy`, `simd`, `webgpu` (needs the package wgpu), or `auto`.
    - `threads`: of the simd device, 1 … 16.

    Raises `DeviceError` when that device cannot be opened; a lost GPU is reopened.
    """
    devices.prefer(name)
    for wanted in ("simd", "webgpu") if name == "auto" else (name,):
        try:
            _make_ready(wanted, threads)
        except DeviceError as error:
            if name != "auto":
                devices.prefer(NUMPY)
                raise
            devices.missing(wanted, _in_words(error))
    return devices.describe()


def open_named(name: str) -> str:
    """Open a device for one piece of work unless it is open → the preference for it; `auto` is `open_fastest`'s.

    What others prefer stays as it is. Raises `InputError` for a name that no device has, `DeviceError` when that device
    cannot be opened.
    """
    if name == "auto":
        return open_fastest()
    devices.check(name)
    _make_ready(name, all_cores())
    return name


def open_fastest() -> str:
    """Natively, where nobody has named a device: open the compiled kernels → the preference for a language model.

    A GPU is not opened: for one token at a time the CPU is done before it answers.
    """
    if devices.chosen:
        return devices.preference
    if devices.get("simd") is None:
        try:
            devices.add(_open("simd", all_cores()))
        except DeviceError as error:
            devices.missing("simd", _in_words(error))
    return "auto"


def all_cores() -> int:
    """A thread a core, as many as a device may have."""
    return min(os.cpu_count() or 1, MOST_THREADS)


def _make_ready(name: str, threads: int) -> None:
    """Open a device, or reopen one that was lost; one that was closed gives way to a new one. NumPy is always there."""
    if name == NUMPY:
        return
    device = devices.get(name)
    if device is None:
        devices.add(_open(name, threads))
        return
    try:
        finished(device.reopen())
    except DeviceLost as lost:
        try:
            devices.add(_open(name, threads))
        except DeviceError:
            raise lost from None


def _in_words(error: DeviceError) -> str:
    return f"{error.message}. {error.remedy}".removesuffix(". ") if error.remedy else error.message


IN_PAGE = {
    "simd": "Use a browser whose WebAssembly has SIMD; NumPy computes the same, slower.",
    "webgpu": (
        "Use a browser with WebGPU and hardware acceleration, by https or on localhost; ForwardCPU and Train need none."
    ),
}


def _open(name: str, threads: int) -> Device:
    """Open a native device, imported when it is first wanted; a page has opened all that it can."""
    if sys.platform == "emscripten":
        reason = devices.absence(name).removeprefix(f"{name}: ").rstrip(".")
        raise DeviceError(f"is not available in this page: {reason}", where=name, remedy=IN_PAGE[name])
    if name == "simd":
        from .simd import SimdDevice

        return SimdDevice(threads=threads)
    from .webgpu import WebGPUDevice
    from .webgpu.wgpu_host import WgpuHost

    return WebGPUDevice(WgpuHost())
