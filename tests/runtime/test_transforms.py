"""The one rule of what a transform may drop, and the helpers that all of them use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from loom_py.runtime.program import Dispatch, Program, Ref
from loom_py.runtime.replay import replay
from loom_py.runtime.trace import TracingOps
from loom_py.runtime.transforms import remove_dead_code
from loom_py.runtime.transforms.walk import Uses, renumber, replace_operands

ROW = np.arange(4, dtype=np.float32)


def recorded(write: Callable[[Any, Any, Any], Any]) -> Program:
    """A program over the input x (4,) and the state w (4,); what `write` returns is the output y."""
    ops: Any = TracingOps("test")
    y = write(ops, ops.tensor(ROW, "input", "x"), ops.tensor(ROW, "state", "w"))
    if y is not None:
        ops.output("y", y)
    return ops.program


def unread(ops: Any, x: Any, w: Any) -> Any:
    ops.scale(ops.add(x, w), 2.0)
    return ops.scale(x, 3.0)


def read_through_a_reshape(ops: Any, x: Any, w: Any) -> Any:
    return ops.reshape(ops.scale(x, 3.0), (2, 2))


def state_changes(ops: Any, x: Any, w: Any) -> Any:
    ops.accumulate(w, ops.scale(x, 2.0), 1.0)


def state_changes_through_a_reshape(ops: Any, x: Any, w: Any) -> Any:
    ops.accumulate(ops.reshape(w, (2, 2)), ops.reshape(x, (2, 2)), 1.0)


def an_input_changes(ops: Any, x: Any, w: Any) -> Any:
    ops.assign(x, w)


def a_temporary_changes_and_is_read(ops: Any, x: Any, w: Any) -> Any:
    total = ops.scale(x, 1.0)
    ops.accumulate(total, w, 1.0)
    return total


def a_temporary_changes_after_it_was_read(ops: Any, x: Any, w: Any) -> Any:
    total = ops.scale(x, 1.0)
    y = ops.scale(total, 2.0)
    ops.accumulate(total, w, 1.0)
    return y


@pytest.mark.parametrize(
    ("write", "kept"),
    [
        (unread, ["scale"]),
        (read_through_a_reshape, ["scale", "reshape"]),
        (state_changes, ["scale", "accumulate"]),
        (state_changes_through_a_reshape, ["reshape", "reshape", "accumulate"]),
        (an_input_changes, ["assign"]),
        (a_temporary_changes_and_is_read, ["scale", "accumulate"]),
        (a_temporary_changes_after_it_was_read, ["scale", "scale"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_can_be_observed_stays(write: Any, kept: list[str]) -> None:
    program = recorded(write)
    before = str(program)
    live = remove_dead_code(program)
    assert [d.kernel for d in live.dispatches] == kept
    assert str(program) == before, "the program itself was changed"
    results = []
    for p in (program, live):
        x, state = ROW.copy(), {"w": ROW + 1}
        results.append((replay(p, {"x": x}, state), x, state["w"]))
    np.testing.assert_equal(results[0], results[1])


def test_uses() -> None:
    program = recorded(a_temporary_changes_and_is_read)
    uses = Uses(program)
    total = program.outputs["y"]
    x, w = program.inputs["x"], program.state["w"]
    assert (uses.maker(total), uses.maker(x)) == (0, -1)
    assert uses.readers(x) == [0]
    assert uses.readers(total) == [1, uses.end], "an output is read after everything"
    assert uses.changes(total) == [1]
    assert (uses.last_read([x, w]), uses.last_read([])) == (1, -1)
    assert uses.read_only_by(x, {0})
    assert not uses.read_only_by(total, {1})
    assert uses.changed_between([Ref(total)], 0, 2)
    assert not uses.changed_between([Ref(total)], 1, 2)


def test_replace_operands() -> None:
    call = Dispatch("accumulate", {"total": Ref(3), "x": (Ref(1), Ref(2)), "factor": 0.5}, (4,), (3,))
    moved = replace_operands(call, {3: 30, 2: 20, 4: 40})
    assert moved == Dispatch("accumulate", {"total": Ref(30), "x": (Ref(1), Ref(20)), "factor": 0.5}, (40,), (30,))


def test_renumber() -> None:
    def write(ops: Any, x: Any, w: Any) -> Any:
        ops.scale(ops.add(x, np.ones(4, np.float32)), 2.0)
        return ops.reshape(ops.add(x, np.full(4, 2.0, np.float32)), (2, 2))

    program = recorded(write)
    small = renumber(remove_dead_code(program))
    assert [b.index for b in small.buffers] == list(range(len(small.buffers)))
    assert len(program.buffers) - len(small.buffers) == 3  # a constant, a sum, a product
    assert list(small.state) == ["w"], "what has a name stays, read or not"
    expected, actual = (replay(p, {"x": ROW}, {"w": ROW}) for p in (program, small))
    np.testing.assert_equal(actual, expected)
