"""What one kernel call of a program moves and computes: bytes and multiply-adds, from its shapes alone.

Every operand is counted once, as it is stored, and every result once: what the call cannot do without. Caches keep some
of it from memory, so that bytes per second may exceed what memory gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .guards import is_tuple
from .kernel import KERNELS
from .program import Dispatch, Dyn, Program, Ref

BITS = {"F32": 32, "F16": 16, "BF16": 16, "Q8_0": 8.5, "Q4_0": 4.5, "Q4_1": 5.0}
"""Storage of weights → bits of an element, scales included."""


@dataclass(frozen=True)
class Call:
    """One kernel call with what its shapes and numbers are.

    - `stored`: buffer → how its elements are stored, where that is not the program's dtype.
    - `numbers`: values of the dynamic numbers.
    """

    program: Program
    dispatch: Dispatch
    stored: Mapping[int, str]
    numbers: Mapping[str, float]

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of the operand `name`, which is a tensor."""
        return self.program.buffers[self.dispatch.ref(name).index].shape

    def size(self, name: str) -> int:
        """Elements of an operand, or of several together."""
        value = self.dispatch.arguments[name]
        operands = value if is_tuple(value) else (value,)
        return sum(self.program.buffers[o.index].size for o in operands if isinstance(o, Ref))

    def result(self) -> int:
        """Elements of the first result."""
        return self.program.buffers[self.dispatch.outputs[0]].size

    def number(self, name: str, default: float = 0) -> int:
        """A whole number among the arguments."""
        value = self.dispatch.arguments.get(name, default)
        return int(self.numbers[value.name] if isinstance(value, Dyn) else value)

    def tensors(self) -> Iterator[tuple[str, int]]:
        """(argument, buffer) of every operand, in order."""
        for name, value in self.dispatch.arguments.items():
            operands = value if is_tuple(value) else (value,)
            yield from ((name, operand.index) for operand in operands if isinstance(operand, Ref))

    def element_bytes(self, index: int) -> float:
        buffer = self.program.buffers[index]
        storage = self.stored.get(index, "")
        return BITS[storage] / 8 if storage in BITS else buffer.nbytes / buffer.size

    def storage(self, index: int) -> str:
        """`Q4_1`, or the dtype."""
        return self.stored.get(index, self.program.buffers[index].dtype)


def _visible(call: Call) -> int:
    """Pairs of a query and a position that it sees, in one head of `attention`."""
    steps, position, window = call.shape("q")[0], call.number("position"), call.number("window")
    reach = [position + t + 1 for t in range(steps)]
    return sum(min(n, window) if window else n for n in reach)


def _cached_rows(call: Call) -> int:
    """Rows of a cache that `attention` reads."""
    length, window = call.number("position") + call.shape("q")[0], call.number("window")
    return min(length, window + call.shape("q")[0] - 1) if window else length


def _row(call: Call, name: str) -> int:
    shape = call.shape(name)
    return call.size(name) // shape[0]


def _rows_of(call: Call) -> int:
    """Rows of `x`, all axes but the last together."""
    return call.size("x") // call.shape("x")[-1]


def _attended(call: Call) -> int:
    batch, steps, heads, size = call.shape("q")
    return batch * steps * steps * heads * size


def _recurrence(call: Call, x: str) -> int:
    return call.size(x) * call.shape("w_hh")[1]


Count = Callable[[Call], int]
MULTIPLY_ADDS: dict[str, Count] = {
    "linear": lambda c: _rows_of(c) * c.size("weight"),
    "linear_add": lambda c: _rows_of(c) * c.size("weight"),
    "norm_linear": lambda c: _rows_of(c) * c.size("weights"),
    "norm_gate_up": lambda c: _rows_of(c) * (c.size("gate") + c.size("up")),
    "expert_linear": lambda c: c.result() * c.shape("x")[2],
    "matmul": lambda c: c.result() * c.size("a") // c.program.buffers[c.dispatch.outputs[0]].shape[0],
    "mix": lambda c: c.size("parts"),
    "mix_grad": lambda c: 2 * c.size("parts"),
    "attention": lambda c: 2 * _visible(c) * c.size("q") // c.shape("q")[0],
    "attend": lambda c: 2 * _attended(c),
    "attend_grad": lambda c: 4 * _attended(c),
    "conv2d": lambda c: c.result() * c.size("kernel") // c.shape("kernel")[0],
    "conv2d_grad": lambda c: 2 * c.size("gy") * c.size("kernel") // c.shape("kernel")[0],
    "rnn_sequence": lambda c: _recurrence(c, "zx"),
    "rnn_sequence_grad": lambda c: 2 * _recurrence(c, "gh"),
    "lstm_sequence": lambda c: _recurrence(c, "zx"),
    "lstm_sequence_grad": lambda c: 8 * _recurrence(c, "gh"),
}
"""Kernels that are products of matrices → multiply-adds of a call; of others, time says more per byte."""

READ: dict[tuple[str, str], Count] = {
    ("embedding", "table"): lambda c: c.result(),
    ("expert_linear", "weight"): lambda c: (
        c.size("weight") * min(c.size("ids"), c.number("experts")) // c.number("experts")
    ),
    ("attention", "keys"): lambda c: _cached_rows(c) * _row(c, "keys"),
    ("attention", "values"): lambda c: _cached_rows(c) * _row(c, "values"),
    ("cache_write", "cache"): lambda c: 0,
    ("rope_cache", "keys"): lambda c: 0,
    ("rope_cache", "values"): lambda c: 0,
    ("narrow", "x"): lambda c: c.result(),
    ("assign", "state"): lambda c: 0,
    ("mark", "seen"): lambda c: 0,
    ("zeros", "like"): lambda c: 0,
}
"""Operands of which a call reads less than all → how many elements."""
WRITTEN: dict[tuple[str, str], Count] = {
    ("cache_write", "cache"): lambda c: c.size("x"),
    ("rope_cache", "keys"): lambda c: c.size("k"),
    ("rope_cache", "values"): lambda c: c.size("v"),
    ("mark", "seen"): lambda c: c.size("ids"),
}
"""Operands changed in place of which a call writes less than all → how many elements."""


def bytes_moved(call: Call) -> int:
    """Bytes that a call reads and writes; none for one whose result is a view."""
    d = call.dispatch
    if KERNELS[d.kernel].view:
        return 0
    nbytes = float(sum(call.program.buffers[index].nbytes for index in d.outputs))
    for name, index in call.tensors():
        size = call.program.buffers[index].size
        read = READ[d.kernel, name](call) if (d.kernel, name) in READ else size
        wrote = 0
        if index in d.changes:
            wrote = WRITTEN[d.kernel, name](call) if (d.kernel, name) in WRITTEN else size
        nbytes += call.element_bytes(index) * (read + wrote)
    return round(nbytes)


def multiply_adds(call: Call) -> int:
    """Multiply-adds of a product of matrices; 0 for other kernels."""
    count = MULTIPLY_ADDS.get(call.dispatch.kernel)
    return 0 if count is None else count(call)


def shapes_text(call: Call) -> str:
    """Operands and results: `1×576, 1536×576 Q4_1 → 1×1536`; equal ones together: `3 of 576×576`."""
    operands = [(call.program.buffers[i].shape, call.storage(i)) for _, i in call.tensors()]
    outputs = [(call.program.buffers[i].shape, call.program.buffers[i].dtype) for i in call.dispatch.outputs]
    return " → ".join(filter(None, (_grouped(operands), _grouped(outputs))))


def _grouped(tensors: list[tuple[tuple[int, ...], Any]]) -> str:
    counted: dict[str, int] = {}
    for shape, dtype in tensors:
        text = "×".join(map(str, shape)) or "1"
        text += f" {dtype}" if dtype in BITS and dtype != "F32" else ""
        counted[text] = counted.get(text, 0) + 1
    return ", ".join(text if count == 1 else f"{count} of {text}" for text, count in counted.items())
