"""Views in place of copies change no result, and remove the copies where possible."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom_py import build_network_from_json
from loom_py.formats.program_file import dump_program, load_program
from loom_py.runtime.program import Program
from loom_py.runtime.replay import replay
from loom_py.runtime.simd import SimdDevice
from loom_py.runtime.trace import TracingOps
from loom_py.runtime.transforms import simplify
from loom_py.training.losses import Loss
from loom_py.training.optimisers import SGD
from loom_py.training.step import StepPlan
from loom_py.training.trace import trace_training_step


@pytest.fixture(scope="module")
def device() -> Iterator[SimdDevice]:
    instance = SimdDevice()
    yield instance
    instance.close()


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Rows of numbers cut, joined, added, summed, and changed in place, in any order."""
    ops: Any = TracingOps("random")
    start = np.arange(1, 13, dtype=np.float32)
    state = ops.tensor(start[None], "state", "w")
    tensors = [ops.tensor(start[None], "input", "x"), state]
    loose: list[Any] = []  # temporaries that may be changed in place
    for _ in range(draw(st.integers(1, 14))):
        x = draw(st.sampled_from(tensors))
        width = x.shape[1]
        match draw(st.sampled_from(["narrow", "concat", "add", "sum", "zeros", "change", "change", "state"])):
            case "narrow":
                length = draw(st.integers(1, width))
                new = ops.narrow(x, 1, draw(st.integers(0, width - length)), length)
            case "concat":
                new = ops.concat(draw(st.lists(st.sampled_from(tensors), min_size=1, max_size=3)), 1)
            case "add":
                new = ops.add(x, draw(st.sampled_from([t for t in tensors if t.shape == x.shape])))
            case "zeros":
                new = ops.zeros((1, width), like=x)
            case "change" if loose:
                to = draw(st.sampled_from(loose))
                ops.accumulate(to, draw(st.sampled_from([t for t in tensors if t.shape == to.shape])), 0.5)
                continue
            case "state":
                ops.accumulate(state, draw(st.sampled_from([t for t in tensors if t.shape == state.shape])), 0.25)
                continue
            case _:
                flat = ops.sum(x, axis=0)
                tensors.append(ops.reshape(flat, (1, width)))
                continue
        tensors.append(new)
        loose.append(new)
    for i, t in enumerate(draw(st.lists(st.sampled_from(tensors), min_size=1, max_size=4))):
        ops.output(str(i), t)
    return ops.program


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs())
def test_results_stay_the_same(device: SimdDevice, program: Program) -> None:
    x, w = np.linspace(-1, 1, 12, dtype=np.float32)[None], np.linspace(2, 3, 12, dtype=np.float32)[None]
    state = {"w": w.copy()}
    uploaded = {"w": device.upload(w)}
    executable = device.compile(program, uploaded)
    for _ in range(2):
        expected = replay(program, {"x": x}, state)
        for name, actual in executable.run({"x": x}).items():
            np.testing.assert_allclose(actual, expected[name], rtol=1e-5, atol=1e-6, err_msg=str(program))
        np.testing.assert_allclose(device.download(uploaded["w"]), state["w"], rtol=1e-5, err_msg=str(program))
    executable.free()
    device.free(uploaded["w"])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs())
def test_a_simplified_program_replays_on_numpy(program: Program) -> None:
    x, state = np.linspace(-1, 1, 12, dtype=np.float32)[None], np.linspace(2, 3, 12, dtype=np.float32)[None]
    results: list[Any] = []
    for p in (program, simplify(program), load_program(dump_program(simplify(program)))):
        w = {"w": state.copy()}
        results.append([*(replay(p, {"x": x}, w) for _ in range(2)), w])
    np.testing.assert_equal(results[1], results[0], err_msg=str(program))
    np.testing.assert_equal(results[2], results[0], err_msg="after a round trip through text")


def kernels(ops: Any) -> list[str]:
    return [d.kernel for d in simplify(ops.program).dispatches]


def test_what_becomes_a_view() -> None:
    ops: Any = TracingOps("views")
    x = ops.tensor(np.ones((1, 6), np.float32), "input", "x")
    left, right = ops.scale(ops.narrow(x, 1, 0, 3), 2.0), ops.scale(ops.narrow(x, 1, 3, 3), 3.0)
    ops.output("y", ops.add(ops.concat([left, right], 1), ops.zeros((1, 6), like=x)))
    ops.scale(x, 7.0)  # never read
    assert kernels(ops) == ["scale", "scale", "add"]


def test_what_stays_a_copy() -> None:
    ops: Any = TracingOps("copies")
    x = ops.tensor(np.ones((2, 6), np.float32), "input", "x")
    columns = ops.narrow(x, 1, 0, 3)  # not contiguous
    grown = ops.zeros((2, 3), like=x)  # changed
    ops.accumulate(grown, columns, 1.0)
    ops.output("y", ops.concat([columns, columns], 0))  # one part twice
    ops.output("grown", grown)
    assert kernels(ops) == ["narrow", "zeros", "accumulate", "concat"]


def test_a_part_of_something_larger_is_joined_by_a_copy() -> None:
    ops: Any = TracingOps("part of a part")
    x = ops.tensor(np.ones((1, 6), np.float32), "input", "x")
    middle = ops.narrow(ops.scale(x, 2.0), 1, 2, 2)
    ops.output("y", ops.concat([middle, ops.scale(middle, 3.0)], 1))
    assert kernels(ops) == ["scale", "scale", "concat"]


def test_a_training_step_of_grid_scatter_copies_nothing(grid_scatter: dict[str, Any]) -> None:
    network = build_network_from_json(grid_scatter["network"], seed=1)
    plan = StepPlan(loss=Loss("mse"), optimiser=SGD(), clip_norm=1.0)
    program = trace_training_step(network, plan, np.zeros((1, 8)), np.zeros((1, 2)))
    left = simplify(program).count()
    assert not left.keys() & {"narrow", "concat", "zeros", "sum", "reshape"}
