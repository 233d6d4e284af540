"""Tensors without values: tracing a large model needs shapes and dtypes only, so nothing is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..errors import InputError

FLOAT32: np.dtype[Any] = np.dtype(np.float32)


@dataclass(frozen=True)
class Abstract:
    """A shape and a NumPy dtype."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any] = FLOAT32

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return prod(self.shape)


def is_abstract(operands: Iterable[Any]) -> bool:
    """Whether one of a kernel's arguments has no values."""
    return any(
        isinstance(x, Abstract) or (isinstance(x, (list, tuple)) and any(isinstance(y, Abstract) for y in x))
        for x in operands
    )


def abstract_result(kernel: str, arguments: Mapping[str, Any]) -> Any:
    """What a kernel makes, as `Abstract`. `InputError` for a kernel without a rule, or shapes that do not fit."""
    if kernel not in RULES:
        raise InputError(f"the kernel {kernel} has no rule for shapes alone", where="tracing")
    return RULES[kernel](**arguments)


def _same(*operands: Any) -> Abstract:
    first = operands[0]
    if any(tuple(o.shape) != tuple(first.shape) for o in operands):
        raise InputError(f"shapes differ: {', '.join(str(tuple(o.shape)) for o in operands)}", where="tracing")
    return Abstract(tuple(first.shape), first.dtype)


def _reshape(x: Any, shape: Iterable[int]) -> Abstract:
    shape = tuple(shape)
    if prod(shape) != prod(x.shape):
        raise InputError(f"{tuple(x.shape)} cannot become {shape}", where="tracing")
    return Abstract(shape, x.dtype)


def _linear(x: Any, weight: Any, bias: Any = None) -> Abstract:
    if x.shape[-1] != weight.shape[1] or (bias is not None and tuple(bias.shape) != (weight.shape[0],)):
        raise InputError(f"{tuple(x.shape)} does not fit weights {tuple(weight.shape)}", where="tracing")
    return Abstract((*x.shape[:-1], weight.shape[0]), x.dtype)


def _rms_norm(x: Any, gamma: Any, eps: float) -> Abstract:
    if tuple(gamma.shape) != tuple(x.shape[-1:]):
        raise InputError(f"{tuple(x.shape)} does not fit gamma {tuple(gamma.shape)}", where="tracing")
    return Abstract(tuple(x.shape), x.dtype)


def _narrow(x: Any, axis: int, start: int, length: int) -> Abstract:
    return Abstract(tuple(length if i == axis else n for i, n in enumerate(x.shape)), x.dtype)


RULES: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: _same(a, b),
    "assign": lambda state, x: None,
    "attention": lambda q, keys, values, position: Abstract(tuple(q.shape), q.dtype),
    "cache_write": lambda cache, x, position: None,
    "embedding": lambda ids, table: Abstract((*ids.shape, table.shape[1])),
    "linear": _linear,
    "mark": lambda seen, ids: None,
    "mul": lambda a, b: _same(a, b),
    "narrow": _narrow,
    "reshape": _reshape,
    "rms_norm": _rms_norm,
    "rope": lambda x, position, inverse_frequencies, inverse=False: Abstract(tuple(x.shape), x.dtype),
    "sample": lambda logits, seen, **numbers: Abstract((1,), np.dtype(np.int64)),
    "silu_mul": lambda gate, up: _same(gate, up),
}
"""Kernel → what it makes."""
