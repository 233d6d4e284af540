"""Words of `simd/attention.c`, and attention within sequences as matrix products."""

from __future__ import annotations

from typing import Any

from ...errors import DeviceError
from ..program import Dispatch
from .encode import Encoder, encodes
from .matmul import product

CHUNK = 128  # positions per piece of work, as in simd/attention.c
SCRATCH_FLOATS = 65536  # per thread


@encodes("attention")
def attention(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    steps, heads, size = e.shape(a["q"])
    capacity, kv, _ = e.shape(a["keys"])
    _require_scratch(heads, size)
    y, position = e.at(d.outputs[0]), e.slot(a["position"])
    window = a.get("window", 0)
    operands = e.at(a["q"]), e.at(a["keys"]), e.at(a["values"]), position, steps, heads, kv, size, capacity
    operands += window, e.f32(a.get("cap", 0.0))
    if steps == 1:
        parts = e.scratch(4 * -(-capacity // CHUNK) * heads * (size + 2))
        e.emit("attention_parts", parts, *operands)
        e.emit("attention_join", y, parts, position, heads, size, window, capacity)
    else:
        e.emit("attention", y, *operands)


@encodes("attention_grad")
def attention_grad(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    steps, heads, size = e.shape(a["q"])
    capacity, kv, _ = e.shape(a["keys"])
    if 3 * (capacity + 4) > SCRATCH_FLOATS:
        raise DeviceError(f"a cache of {capacity} rows is too long", where="simd", remedy="Run it on NumPy.")
    operands = [e.at(a[name]) for name in ("q", "keys", "values", "gy")]
    sizes = steps, heads, kv, size, capacity, a.get("window", 0), e.f32(a.get("cap", 0.0))
    e.emit("attention_grad", *map(e.at, d.outputs), *operands, e.slot(a["position"]), *sizes)


@encodes("span_attention")
def span_attention(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    steps, heads, size = e.shape(a["q"])
    _require_scratch(heads, size)
    operands = (e.at(a[name]) for name in ("q", "keys", "values", "spans"))
    e.emit("span_attention", e.at(d.outputs[0]), *operands, steps, heads, e.shape(a["keys"])[1], size)


def _require_scratch(heads: int, size: int) -> None:
    wide = -(-size // 8) * 8
    if max(2 * 48 * wide + 2 * 64 * wide + 48 * 64, heads * CHUNK) > SCRATCH_FLOATS:
        raise DeviceError(f"{heads} heads of {size} elements are too many", where="simd", remedy="Run it on NumPy.")


class _Heads:
    """Where the matrices of each sample and head begin, in floats."""

    def __init__(self, e: Encoder, q: Any, k: Any) -> None:
        self.batch, self.steps, self.heads, self.size = e.shape(q)
        self.kv = e.shape(k)[2]
        self.q_row, self.kv_row = self.heads * self.size, self.kv * self.size
        self.all = [(b, h) for b in range(self.batch) for h in range(self.heads)]
        self.scores = (self.steps, self.steps)

    def q(self, b: int, h: int) -> int:
        return b * self.steps * self.q_row + h * self.size

    def k(self, b: int, h: int) -> int:
        return b * self.steps * self.kv_row + h // (self.heads // self.kv) * self.size

    def p(self, b: int, h: int) -> int:
        return (b * self.heads + h) * self.steps * self.steps


@encodes("attend")
def attend(e: Encoder, d: Dispatch) -> None:
    """Scores of every head, softmax row by row, then the mean of the values. Heads of a group follow one another."""
    q, k, v = (d.arguments[name] for name in ("q", "k", "v"))
    at = _Heads(e, q, k)
    y, p = map(e.at, d.outputs)
    t, size = at.steps, at.size
    offsets = [(at.p(*i), at.q(*i), at.k(*i)) for i in at.all]
    product(e, p, e.at(q), e.at(k), (t, t, size), left=(at.q_row, 1), right=(1, at.kv_row), offsets=offsets)
    causal = t if d.arguments["causal"] else 0
    e.emit("softmax", p, p, len(at.all) * t, t, e.f32(size**-0.5), causal)
    offsets = [(at.q(*i), at.p(*i), at.k(*i)) for i in at.all]
    product(
        e, y, p, e.at(v), (t, size, t), rows=at.q_row, left=(t, 1), right=(at.kv_row, 1), offsets=offsets
    )  # fmt: skip


@encodes("attend_grad")
def attend_grad(e: Encoder, d: Dispatch) -> None:
    """gv = pᵀ gy; gs = softmax′(gy vᵀ) / √D; gq = gs k; gk = gsᵀ q; keys and values add up over their group."""
    q, k, v, p, gy = (e.at(d.arguments[name]) for name in ("q", "k", "v", "probabilities", "gy"))
    at = _Heads(e, d.arguments["q"], d.arguments["k"])
    gq, gk, gv = map(e.at, d.outputs)
    t, size, group = at.steps, at.size, at.heads // at.kv
    gs = e.scratch(4 * len(at.all) * t * t)
    rows, columns = (at.q_row, 1), (at.kv_row, 1)
    offsets = [(at.p(*i), at.q(*i), at.k(*i)) for i in at.all]
    product(e, gs, gy, v, (t, t, size), left=rows, right=(1, at.kv_row), offsets=offsets)
    e.emit("softmax_grad", gs, p, gs, len(at.all) * t, t, e.f32(size**-0.5))
    offsets = [(at.q(*i), at.p(*i), at.k(*i)) for i in at.all]
    product(e, gq, gs, k, (t, size, t), rows=at.q_row, left=(t, 1), right=columns, offsets=offsets)
    offsets = [(at.k(*i), at.p(*i), at.q(*i)) for i in at.all]
    for to, weights, other in ((gk, gs, q), (gv, p, gy)):
        product(
            e, to, weights, other, (t, size, t), rows=at.kv_row, left=(1, t), right=rows, offsets=offsets, chain=group
        )  # fmt: skip
