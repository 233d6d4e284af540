"""Whether two models compute the same: their programs are compared, call by call."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import numpy as np

from ..runtime.guards import is_array, is_sequence, is_tuple
from ..runtime.program import Program, Ref
from ..schema.fields import is_number
from .pack import trace_encoder, trace_head
from .protocols import Decoder, Encoder
from .trace import trace_decoder

TOKENS = 3
TOLERANCE = 1e-6
"""Of numbers that a file keeps as float32."""


def same_computation(one: Decoder | Encoder, other: Decoder | Encoder) -> bool:
    """Whether two models of one family give the same answers with the same weights, which may have other names."""
    if _sizes(one) != _sizes(other):
        return False
    pairs = zip_longest(_programs(one), _programs(other))
    return all(a is not None and b is not None and _equal(_calls(a), _calls(b)) for a, b in pairs)


def _sizes(model: Decoder | Encoder) -> tuple[int, ...]:
    f = model.facts
    longer = 0 if f.longer is None else f.longer.positions
    return f.vocab_size, f.hidden_size, f.num_hidden_layers, f.max_position_embeddings, longer


def _programs(model: Decoder | Encoder) -> Iterator[Program]:
    if isinstance(model, Encoder):
        yield trace_encoder(model, TOKENS)
        if model.head is not None:
            yield trace_head(model, TOKENS)
        return
    facts = model.facts
    yield trace_decoder(model, TOKENS, facts.max_position_embeddings, "every")
    if facts.longer is not None:
        yield trace_decoder(facts.longer.decoder, TOKENS, facts.max_position_embeddings, "every")


def _calls(program: Program) -> list[Any]:
    """The kernels with their arguments; temporary tensors and weights by their order."""
    numbers: dict[int, int] = {}

    def operand(value: Any) -> Any:
        if is_tuple(value):
            return [operand(part) for part in value]
        if not isinstance(value, Ref):
            return value
        buffer = program.buffers[value.index]
        if buffer.kind == "constant":
            return program.constants[value.index]
        if buffer.kind == "input":
            return buffer.name
        return numbers.setdefault(value.index, len(numbers))

    return [
        [dispatch.kernel, *([name, operand(value)] for name, value in sorted(dispatch.arguments.items()))]
        for dispatch in program.dispatches
    ]


def _equal(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(map(_alike, one, other))


def _alike(one: Any, other: Any) -> bool:
    """Whether two arguments, or the arguments of two calls, are equal but for rounding."""
    if is_array(one) and is_array(other):
        return one.shape == other.shape and bool(np.allclose(one, other, rtol=TOLERANCE, atol=0))
    if type(one) is not type(other):
        return False
    if is_sequence(one):
        return _equal(list(one), list(other))
    if is_number(one):
        return bool(np.isclose(one, other, rtol=TOLERANCE, atol=0))
    return bool(one == other)
