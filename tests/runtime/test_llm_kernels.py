"""Products with weights as files store them, on every device, against float64 on the widened values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from loom_py.errors import DeviceError
from loom_py.formats.quant import widen
from loom_py.runtime.abstract import Abstract
from loom_py.runtime.device import Activations, DeviceTensor
from loom_py.runtime.numpy_ops import NumpyOps
from loom_py.runtime.simd import SimdDevice
from loom_py.runtime.trace import TracingOps

from .devices import DEVICES

STORAGES = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1")
LIMITS: dict[Activations, float] = {"f32": 1e-5, "q16": 2e-4}
SHAPES = [
    *[(1, 32, 1), (1, 96, 17), (1, 1088, 40), (2, 64, 8), (7, 576, 33), (131, 96, 16), (5, 2112, 9)],
    *[(269, 64, 45), (530, 32, 72), (137, 544, 35)],  # beyond a chunk of 264 or 132 tokens, and four groups of rows
]
"""Tokens, inputs, outputs."""


@pytest.fixture(scope="module", params=DEVICES)
def device(request: pytest.FixtureRequest) -> Iterator[SimdDevice]:
    instance = DEVICES[request.param]()
    assert isinstance(instance, SimdDevice)
    yield instance
    instance.close()


def stored(storage: str, rows: int, columns: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Random rows as in a file, and their values."""
    rng = np.random.default_rng([seed, rows, columns])
    if storage in ("F32", "F16"):
        plain = rng.normal(size=(rows, columns)).astype(storage.replace("F", "f").replace("32", "4").replace("16", "2"))
        return plain.view(np.uint8).reshape(rows, -1), plain.astype(np.float32)
    if storage == "BF16":
        bits = (rng.normal(size=(rows, columns)).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        return bits.view(np.uint8).reshape(rows, -1), (bits.astype(np.uint32) << 16).view(np.float32)
    blocks = rows * columns // 32
    half = [(rng.normal(size=(blocks, 1)) * s).astype(np.float16).view(np.uint8) for s in (0.01, 0.05)]
    half[0][0] = (1, 0)  # a subnormal scale
    payload = rng.integers(0, 256, (blocks, 32 if storage == "Q8_0" else 16), dtype=np.uint8)
    raw = np.concatenate([*half[: 2 if storage == "Q4_1" else 1], payload], axis=1)
    values = np.empty((blocks, 32), np.float32)
    widen(raw, storage, values)
    return raw.reshape(rows, -1), values.reshape(rows, columns)


def run(
    device: SimdDevice,
    kernel: str,
    state: dict[str, DeviceTensor],
    inputs: dict[str, Any],
    mode: Activations,
    call: Any,
) -> Any:
    """One kernel over operands by name."""
    ops: Any = TracingOps(kernel)
    operands = {name: ops.tensor(Abstract(t.shape), "state", name) for name, t in state.items()}
    operands |= {name: ops.tensor(value, "input", name) for name, value in inputs.items()}
    output = call(ops, operands)
    ops.output("y", output)
    executable = device.compile(ops.program, state, activations=mode)
    out = executable.run(inputs)["y"]
    executable.free()
    return out


def error(out: Any, ref: Any) -> float:
    return float(np.linalg.norm(out.astype(np.float64) - ref) / np.linalg.norm(ref))


@pytest.mark.parametrize("mode", LIMITS)
@pytest.mark.parametrize("storage", STORAGES)
def test_linear(device: SimdDevice, storage: str, mode: Activations) -> None:
    for tokens, columns, rows in SHAPES:
        raw, values = stored(storage, rows, columns)
        x = np.random.default_rng(tokens).normal(size=(tokens, columns)).astype(np.float32)
        bias = np.linspace(-1, 1, rows, dtype=np.float32)
        weight = device.upload_stored(raw, storage, (rows, columns))
        call = lambda ops, o: ops.linear(o["x"], o["w"], o["bias"])  # noqa: E731
        out = run(device, "linear", {"w": weight}, {"x": x, "bias": bias}, mode, call)
        device.free(weight)
        limit = LIMITS["f32" if storage in ("F32", "F16", "BF16") else mode]
        assert error(out, x.astype(np.float64) @ values.T.astype(np.float64) + bias) < limit, (tokens, columns, rows)


@pytest.mark.parametrize("mode", LIMITS)
def test_fused_products_of_mixed_storages(device: SimdDevice, mode: Activations) -> None:
    """As in llama.cpp's mixes of types, matrices of different kinds share an input."""
    rng = np.random.default_rng(3)
    for tokens, rows in (1, 24), (6, 24), (267, 43):
        kinds = dict(zip(("q", "k", "v"), ("Q4_0", "Q8_0", "F16"), strict=True))
        raws = {name: stored(kind, rows, 64, i) for i, (name, kind) in enumerate(kinds.items())}
        weights = {name: device.upload_stored(raws[name][0], kind, (rows, 64)) for name, kind in kinds.items()}
        x, residual = (rng.normal(size=(tokens, n)).astype(np.float32) for n in (64, rows))
        gamma = rng.normal(size=64).astype(np.float32)
        wide = [raws[name][1].astype(np.float64) for name in kinds]

        def three(ops: Any, o: dict[str, Any]) -> Any:
            parts = ops.norm_linear(o["x"], o["gamma"], 1e-5, [o["q"], o["k"], o["v"]], [None] * 3)
            return ops.concat(list(parts), 1)

        concrete = NumpyOps()
        ops: Any = TracingOps("three")
        operands = {n: ops.tensor(np.zeros((rows, 64), np.float32), "state", n) for n in kinds}
        operands |= {"x": ops.tensor(x, "input", "x"), "gamma": ops.tensor(gamma, "input", "gamma")}
        ops.output("y", three(ops, operands))
        executable = device.compile(ops.program, weights, activations=mode)
        out = executable.run({"x": x, "gamma": gamma})["y"]
        executable.free()
        h = concrete.rms_norm(x.astype(np.float64), gamma.astype(np.float64), 1e-5)
        assert error(out, np.concatenate([h @ w.T for w in wide], 1)) < LIMITS[mode]

        inputs = {"x": x, "gamma": gamma}
        ops = TracingOps("pair")
        operands = {n: ops.tensor(np.zeros((rows, 64), np.float32), "state", n) for n in ("q", "k")}
        operands |= {n: ops.tensor(a, "input", n) for n, a in inputs.items()}
        ops.output("y", ops.norm_gate_up(operands["x"], operands["gamma"], 1e-5, operands["q"], operands["k"]))
        executable = device.compile(ops.program, weights, activations=mode)
        out = executable.run(inputs)["y"]
        executable.free()
        assert error(out, concrete.silu_mul(h @ wide[0].T, h @ wide[1].T)) < LIMITS[mode]

        inputs = {"x": x, "residual": residual}
        ops = TracingOps("add")
        operands = {"q": ops.tensor(np.zeros((rows, 64), np.float32), "state", "q")}
        operands |= {n: ops.tensor(a, "input", n) for n, a in inputs.items()}
        ops.output("y", ops.linear_add(operands["x"], operands["q"], None, operands["residual"]))
        executable = device.compile(ops.program, weights, activations=mode)
        out = executable.run(inputs)["y"]
        executable.free()
        assert error(out, residual + x.astype(np.float64) @ wide[0].T) < LIMITS[mode]
        for weight in weights.values():
            device.free(weight)


@pytest.mark.parametrize("tokens", [1, 5])
def test_no_integer_overflows(device: SimdDevice, tokens: int) -> None:
    """Every integer at its limit, where a dot of bytes would saturate if it could: the digits of ±1 are exact."""
    x = np.ones((tokens, 64), np.float32) * np.where(np.arange(64) % 3, 1, -1).astype(np.float32)
    for storage, payload in (("Q8_0", 0x80), ("Q8_0", 0x7F), ("Q4_0", 0xFF), ("Q4_1", 0xFF), ("Q4_0", 0x00)):
        head = np.array([1.0, 0.5][: 2 if storage == "Q4_1" else 1], np.float16).view(np.uint8)
        block = np.concatenate([head, np.full(32 if storage == "Q8_0" else 16, payload, np.uint8)])
        raw = np.tile(block, (8, 2))
        values = np.empty((16, 32), np.float32)
        widen(raw.reshape(16, -1), storage, values)
        weight = device.upload_stored(raw, storage, (8, 64))
        out = run(device, "linear", {"w": weight}, {"x": x}, "q16", lambda ops, o: ops.linear(o["x"], o["w"]))
        device.free(weight)
        assert error(out, x.astype(np.float64) @ values.reshape(8, 64).T) < 1e-6, (storage, payload)


@pytest.mark.parametrize("storage", STORAGES)
def test_rows_of_a_stored_table(device: SimdDevice, storage: str) -> None:
    raw, values = stored(storage, 21, 96)
    table = device.upload_stored(raw, storage, (21, 96))
    ids = np.array([20, 0, 7, 8, 15, 16, 3])
    out = run(device, "embedding", {"t": table}, {"ids": ids}, "f32", lambda ops, o: ops.embedding(o["ids"], o["t"]))
    np.testing.assert_allclose(out, values[ids], rtol=1e-6, atol=1e-9)
    wrong = run(
        device,
        "embedding",
        {"t": table},
        {"ids": np.array([-1, 21, 2])},
        "f32",
        lambda ops, o: ops.embedding(o["ids"], o["t"]),
    )
    assert np.isnan(wrong[:2]).all()
    np.testing.assert_allclose(wrong[2], values[2], rtol=1e-6, atol=1e-9)
    device.free(table)


def test_numbers_beyond_the_cache_change_nothing(device: SimdDevice) -> None:
    cache = device.upload(np.ones((8, 1, 4), np.float32))
    ops: Any = TracingOps("write")
    x = np.full((3, 1, 4), 7, np.float32)
    ops.cache_write(
        ops.tensor(np.ones((8, 1, 4), np.float32), "state", "cache"),
        ops.tensor(x, "input", "x"),
        ops.dynamic("position", 0),
    )
    executable = device.compile(ops.program, {"cache": cache})
    for position in (-1, 6, 1e9, float("nan")):
        executable.run({"x": x}, position=position)
        assert (device.download(cache) == 1).all()
    executable.run({"x": x}, position=5)
    assert (device.download(cache)[5:] == 7).all()
    executable.free()
    device.free(cache)


def test_unknown_storages_are_refused(device: SimdDevice) -> None:
    with pytest.raises(DeviceError, match="stored as Q5_K"):
        device.upload_stored(np.zeros((1, 176), np.uint8), "Q5_K", (1, 256))


def test_activations_beyond_numbers_stay_visible(device: SimdDevice) -> None:
    """Infinity or NaN in the activations does not become a finite number."""
    raw, _ = stored("Q4_1", 8, 64)
    weight = device.upload_stored(raw, "Q4_1", (8, 64))
    for value in (np.inf, -np.inf, np.nan):
        x = np.ones((1, 64), np.float32)
        x[0, 5] = value
        for mode in LIMITS:
            out = run(device, "linear", {"w": weight}, {"x": x}, mode, lambda ops, o: ops.linear(o["x"], o["w"]))
            assert not np.isfinite(out).any(), mode
    device.free(weight)
