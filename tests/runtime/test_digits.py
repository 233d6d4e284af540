"""The form of activations that products with quantised weights take: chosen by what the CPU does, or asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pytest

import loom_py.runtime.simd.digits as digits
from loom_py.errors import DeviceError, InputError
from loom_py.runtime.simd import SimdDevice
from loom_py.runtime.simd.digits import WORDS, Form, choose
from loom_py.runtime.simd.memory import Memory

from .test_llm_kernels import error, run, stored

SATURATED, VNNI, ARM = 65534, 129540, -508 & 0xFFFFFFFF


class FakeHost:
    """A CPU of which only the probe is there."""

    threads, base = 1, 0

    def __init__(self, dot: int, seconds: Mapping[Form, float], *, relaxed: bool = True) -> None:
        self.dot, self.seconds, self.relaxed = dot, seconds, relaxed
        self.clock = 0.0

    def call(self, name: str, *arguments: int) -> int:
        if name == "relaxed_dot":
            return self.dot
        self.clock += self.seconds["words" if arguments[2] & WORDS else "bytes"]
        return 0


class FakeMemory:
    def store(self, values: Any) -> int:
        return 64

    def free(self, address: int) -> None:
        assert address == 64


@pytest.mark.parametrize(
    ("dot", "bytes_", "words", "expected"),
    [
        (SATURATED, 2.0, 1.0, "words"),
        (VNNI, 1.0, 2.0, "bytes"),
        (ARM, 1.0, 2.0, "bytes"),
        (SATURATED, 1.0, 1.2, "words"),  # a clock that is not clear
        (VNNI, 1.2, 1.0, "bytes"),
        (VNNI, 2.0, 1.0, "words"),  # one that is
        (SATURATED, 1.0, 2.0, "bytes"),
        (SATURATED, 0.0, 0.0, "words"),  # a browser's clock may stand still
        (ARM, 0.0, 0.0, "bytes"),
    ],
)
def test_choice(monkeypatch: pytest.MonkeyPatch, dot: int, bytes_: float, words: float, expected: Form) -> None:
    host = FakeHost(dot, {"bytes": bytes_, "words": words})
    monkeypatch.setattr(digits, "perf_counter", lambda: host.clock)
    assert choose(host, cast(Memory, FakeMemory())) == expected  # pyright: ignore[reportArgumentType]


def test_without_relaxed_simd() -> None:
    assert choose(cast(Any, FakeHost(0, {}, relaxed=False)), cast(Memory, FakeMemory())) == "words"
    device = SimdDevice(relaxed=False)
    assert device.digits == device.info()["digits"] == "words"
    device.close()
    with pytest.raises(DeviceError, match="digits in bytes need relaxed SIMD"):
        SimdDevice(relaxed=False, digits="bytes")


def test_unknown_form() -> None:
    with pytest.raises(InputError, match="must be bytes or words, got 'nibbles'"):
        SimdDevice(digits=cast(Any, "nibbles"))


@pytest.mark.parametrize("storage", ["Q4_0", "Q4_1", "Q8_0"])
@pytest.mark.parametrize("tokens", [1, 6])
def test_forms_agree(storage: str, tokens: int) -> None:
    """Weights of four bits meet the same integers in both forms, to the last bit; those of eight meet 14 or 16 bits."""
    rows, columns = 21, 2112
    raw, values = stored(storage, rows, columns)
    x = np.random.default_rng(tokens).normal(size=(tokens, columns)).astype(np.float32)
    outputs: dict[Form, Any] = {}
    for form in ("bytes", "words"):
        device = SimdDevice(digits=form)
        weight = device.upload_stored(raw, storage, (rows, columns))
        outputs[form] = run(device, "linear", {"w": weight}, {"x": x}, "q16", lambda ops, o: ops.linear(o["x"], o["w"]))
        device.close()
    if storage == "Q8_0":
        ref = x.astype(np.float64) @ values.T.astype(np.float64)
        assert error(outputs["words"], ref) < error(outputs["bytes"], ref) < 2e-4
    else:
        np.testing.assert_array_equal(outputs["bytes"], outputs["words"])
