"""Times of kernels: parts of a program on every device, what they count, and the arithmetic of the clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from loom_py.errors import DeviceError, InputError
from loom_py.runtime import profiling
from loom_py.runtime.abstract import Abstract
from loom_py.runtime.counts import Call, bytes_moved, multiply_adds, shapes_text
from loom_py.runtime.device import Device
from loom_py.runtime.parts import Divisible, NumpyParts, Parts
from loom_py.runtime.pending import Done
from loom_py.runtime.profiling import Profile, profile_program
from loom_py.runtime.program import Dispatch, Program
from loom_py.runtime.tensor import Values
from loom_py.runtime.trace import TracingOps
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost

from .devices import DEVICES
from .test_device_protocol import ArrayDevice

PLACES = {**DEVICES, "wgpu": lambda: WebGPUDevice(WgpuHost()), "numpy": None}
RATE = 0.25


@pytest.fixture(scope="module", params=PLACES)
def device(request: pytest.FixtureRequest) -> Iterator[Device | None]:
    """Every device; None is NumPy."""
    opener = PLACES[request.param]
    instance = opener() if opener else None
    yield instance
    if instance is not None:
        instance.close()


def array(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def step() -> Program:
    """Two products, an activation of each, and an update of the weight by a constant gradient."""
    ops: Any = TracingOps("step")
    x = ops.tensor(array(4, 8), "input", "x")
    w = ops.tensor(array(8, 8, seed=1), "state", "w")
    for _ in range(2):
        x = ops.activate("tanh", ops.matmul(x, w))
    ops.output("y", x)
    ops.sgd_step(w, ops.tensor(array(8, 8, seed=2), "input", "g"), ops.dynamic("lr", RATE))
    return ops.program


def compiled(device: Device | None, program: Program, state: dict[str, Any]) -> tuple[Parts, Any]:
    """The program in parts, and a function that reads `w`."""
    if device is None:
        return NumpyParts(program, state), lambda: state["w"]
    assert isinstance(device, Divisible)
    tensors = {name: device.upload(a) for name, a in state.items()}
    return device.compile_parts(program, tensors), lambda: device.download(tensors["w"])


def test_parts_are_the_whole_replay_and_repeat_what_they_name(device: Device | None) -> None:
    w, g, x = array(8, 8, seed=1), array(8, 8, seed=2), array(4, 8)
    parts, read = compiled(device, step(), {"w": w.copy()})
    y = parts.submit({"x": x, "g": g}, lr=RATE).result()["y"]
    hidden = np.tanh(x.astype(np.float64) @ w)
    expected = np.tanh(hidden @ w)
    assert np.linalg.norm(y - expected) < 1e-5 * np.linalg.norm(expected)
    kernels = [run[0].kernel for run in parts.parts]
    assert kernels == ["matmul", "activate", "matmul", "activate", "sgd_step"]
    parts.submit_parts([0, 2], 3).result()  # they change no weight
    parts.submit_parts([4], 5).result()
    expected = w.astype(np.float64) - 6 * RATE * g
    assert np.linalg.norm(read() - expected) < 1e-5 * np.linalg.norm(expected)
    parts.submit_parts([], 9).result()
    assert np.linalg.norm(read() - expected) < 1e-5 * np.linalg.norm(expected)
    parts.free()


def test_a_repeated_part_of_simd_reads_the_operands_that_it_had() -> None:
    """With memory shared, the second product would read what the later ones wrote over its operand."""
    ops: Any = TracingOps("chain")
    first = x = ops.tensor(array(4, 8), "input", "x")
    w = ops.tensor(array(8, 8, seed=1), "state", "w")
    for _ in range(5):
        x = ops.matmul(x, w)
    ops.output("y", x)
    device = DEVICES["simd"]()
    assert isinstance(device, Divisible)
    parts: Any = device.compile_parts(ops.program, {"w": device.upload(w.concrete)})
    y = parts.submit({"x": first.concrete}).result()["y"]
    for part in (4, 0, 3, 1, 2, 4):
        parts.submit_parts([part], 3)
    assert np.array_equal(parts.last(["y"]).result()["y"], y)
    device.close()


def test_a_program_is_profiled_row_by_row(device: Device | None) -> None:
    used = None if device is None else device.info()["used"]
    profile = profile_program(step(), device, {"w": array(8, 8)}, {"x": array(4, 8)}, repeats=1, lr=0.0)
    rows = {(row.kernel, row.calls): row for row in profile.rows}
    assert set(rows) == {("matmul", 2), ("activate", 2), ("sgd_step", 1)}
    assert rows["matmul", 2].operations == 2 * 2 * 4 * 8 * 8
    assert rows["matmul", 2].bytes == 2 * 4 * (4 * 8 + 8 * 8 + 4 * 8)
    assert rows["sgd_step", 1].bytes == 4 * 3 * 8 * 8
    assert sum(row.share for row in profile.rows) == pytest.approx(1)
    assert sum(row.ms for row in profile.rows) == pytest.approx(profile.kernels_ms)
    assert profile.replay_ms > 0
    assert str(profile).splitlines()[0].startswith(f"step, on {'numpy' if device is None else device.name}")
    assert len(str(profile).splitlines()) == 2 + 3
    assert device is None or device.info()["used"] == used


def test_what_a_program_refuses_a_profile_refuses() -> None:
    with pytest.raises(InputError, match="repeats"):
        profile_program(step(), repeats=0)
    ops: Any = TracingOps("ids")
    ops.output("ids", ops.token_ids(ops.tensor(np.zeros(3, np.float32), "input", "x"), 5))
    for opener in (None, DEVICES["simd"]):
        device = opener() if opener else None
        with pytest.raises(InputError, match="7 is not a token id below 5"):
            profile_program(ops.program, device, inputs={"x": [1, 7, 2]})
        if device is not None:
            assert device.info()["used"] == 0
            device.close()


def test_a_device_without_parts_says_so() -> None:
    with pytest.raises(DeviceError, match="cannot replay parts of a program"):
        profile_program(step(), ArrayDevice())


# --- the clock, on a device whose kernels take what they should ---------------------------------------------------
class Scripted:
    """Parts that take given seconds, by a clock that nothing else moves; each call takes `overhead` more."""

    stored: Mapping[int, str] = {}

    def __init__(self, program: Program, seconds: Sequence[float], overhead: float) -> None:
        self.program, self._seconds, self._overhead = program, seconds, overhead
        self.parts: list[Sequence[Dispatch]] = [(d,) for d in program.dispatches]
        self.now = 0.0

    def submit(self, inputs: Mapping[str, ArrayLike], /, **dynamics: float) -> Done[Values]:
        return Done({})

    def submit_parts(self, parts: Sequence[int], steps: int) -> Done[None]:
        self.now += self._overhead + steps * sum(self._seconds[part] for part in parts)
        return Done(None)

    def free(self) -> None:
        pass


def scripted(monkeypatch: pytest.MonkeyPatch, tick: float) -> Profile:
    parts = Scripted(step(), [3e-3, 1e-6, 1e-3, 2e-6, 5e-5], 4e-4)
    monkeypatch.setattr(profiling.time, "perf_counter", lambda: parts.now // tick * tick if tick else parts.now)
    steps = profiling.measure(parts, "script", {}, {})
    return profiling.to_end(steps)


def test_times_are_without_the_calls_own(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = scripted(monkeypatch, 0)
    assert {row.kernel: row.ms for row in profile.rows} == pytest.approx(
        {"matmul": 4.0, "activate": 0.003, "sgd_step": 0.05}
    )
    assert [row.kernel for row in profile.rows] == ["matmul", "sgd_step", "activate"]
    assert profile.replay_ms == pytest.approx(4.053)
    assert profile.rows[0].share == pytest.approx(4 / 4.053)
    assert profile.rows[0].gflops == pytest.approx(2 * 2 * 4 * 8 * 8 / 4e-3 / 1e9)
    assert profile.rows[0].gb_per_second == pytest.approx(2 * 4 * (4 * 8 + 8 * 8 + 4 * 8) / 4e-3 / 1e9)


def test_a_clock_that_ticks_in_milliseconds_is_good_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = scripted(monkeypatch, 1e-3)
    measured = {row.kernel: row.ms for row in profile.rows}
    assert measured["matmul"] == pytest.approx(4, rel=0.2)
    assert measured["sgd_step"] == pytest.approx(0.05, rel=0.2)


# --- what is counted -----------------------------------------------------------------------------------------------
def call(record: Any, *, storage: str = "", numbers: Mapping[str, float] | None = None) -> Call:
    """The last call that `record(ops, tensor)` leaves; with `storage` the state is stored so."""
    ops: Any = TracingOps("call")

    def tensor(*shape: int, dtype: str = "float32", kind: str = "state") -> Any:
        return ops.tensor(Abstract(shape, np.dtype(dtype)), kind, f"t{len(ops.program.buffers)}")

    record(ops, tensor)
    stored = {b.index: storage for b in ops.program.buffers if storage and b.kind == "state"}
    return Call(ops.program, ops.program.dispatches[-1], stored, {**ops.program.dynamics, **(numbers or {})})


def test_a_quantised_product_reads_what_is_stored() -> None:
    one = call(lambda ops, t: ops.linear(t(1, 64, kind="input"), t(32, 64)), storage="Q4_1")
    assert multiply_adds(one) == 64 * 32
    assert bytes_moved(one) == 4 * 64 + 64 * 32 * 5 // 8 + 4 * 32
    assert shapes_text(one) == "1×64, 32×64 Q4_1 → 1×32"


@pytest.mark.parametrize(("tokens", "read"), [(1, 2), (9, 5)])
def test_experts_are_read_where_they_are_chosen(tokens: int, read: int) -> None:
    """Of five: at most two for a token that has two."""
    one = call(lambda ops, t: ops.expert_linear(t(tokens, 1, 64), t(tokens, 2, dtype="int64"), t(5 * 32, 64), 5))
    assert multiply_adds(one) == tokens * 2 * 64 * 32
    assert bytes_moved(one) == 4 * (tokens * 64 + read * 32 * 64 + tokens * 2 * 32) + 8 * tokens * 2


def test_a_table_is_read_where_the_ids_say() -> None:
    one = call(lambda ops, t: ops.embedding(t(3, dtype="int64", kind="input"), t(1000, 64)), storage="Q8_0")
    assert bytes_moved(one) == 8 * 3 + 3 * 64 * 34 // 32 + 4 * 3 * 64
    assert multiply_adds(one) == 0


@pytest.mark.parametrize(("window", "visible", "rows"), [(0, 11 + 12, 12), (4, 4 + 4, 5)])
def test_attention_reads_what_it_sees(window: int, visible: int, rows: int) -> None:
    def record(ops: Any, t: Any) -> None:
        position = ops.dynamic("position", 0)
        ops.attention(t(2, 6, 8), t(100, 2, 8), t(100, 2, 8), position, window=window)

    one = call(record, numbers={"position": 10})
    assert multiply_adds(one) == 2 * visible * 6 * 8
    assert bytes_moved(one) == 4 * (2 * 2 * 6 * 8 + 2 * rows * 2 * 8)


def test_a_cache_is_written_where_the_rows_go() -> None:
    one = call(lambda ops, t: ops.cache_write(t(100, 2, 8), t(3, 2, 8), ops.dynamic("position", 5)))
    assert bytes_moved(one) == 2 * 4 * 3 * 2 * 8


def test_views_move_nothing() -> None:
    assert bytes_moved(call(lambda ops, t: ops.reshape(t(4, 8), (8, 4)))) == 0


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (lambda ops, t: ops.matmul(t(3, 5), t(5, 7)), 3 * 5 * 7),
        (lambda ops, t: ops.matmul(t(5, 3), t(7, 5), transpose_a=True, transpose_b=True), 3 * 5 * 7),
        (lambda ops, t: ops.norm_linear(t(2, 5), t(5), 1e-5, [t(7, 5), t(3, 5)], [None, None]), 2 * 5 * 10),
        (lambda ops, t: ops.conv2d(t(2, 3, 8, 8), t(4, 3, 3, 3), t(4), stride=(2, 2), padding=(1, 1)), 2 * 4 * 16 * 27),
        (lambda ops, t: ops.lstm_sequence(t(2, 3, 20), t(20, 5), t(2, 5), t(2, 5)), 2 * 3 * 20 * 5),
        (lambda ops, t: ops.rnn_sequence(t(2, 3, 5), t(5, 5), t(2, 5)), 2 * 3 * 5 * 5),
        (lambda ops, t: ops.attend(t(2, 3, 4, 5), t(2, 3, 2, 5), t(2, 3, 2, 5), causal=True), 2 * 2 * 3 * 3 * 4 * 5),
    ],
)
def test_multiply_adds_of_products(record: Any, expected: int) -> None:
    assert multiply_adds(call(record)) == expected
