"""Words of `simd/decoder.c`, `attention.c` and `sample.c`: the rest of a decoder."""

from __future__ import annotations

import math

from ...errors import DeviceError
from ..program import Dispatch, Ref
from .encode import Encoder, encodes
from .linear import storage

CHUNK = 128  # positions of one piece of work, as in simd/attention.c
SCRATCH_FLOATS = 65536  # of a thread


@encodes("rms_norm")
def rms_norm(e: Encoder, d: Dispatch) -> None:
    x = d.arguments["x"]
    n = e.shape(x)[-1]
    rows = e.size(x) // n if n else 0
    e.emit("rms_norm", e.at(d.outputs[0]), e.at(x), e.at(d.arguments["gamma"]), e.f32(d.arguments["eps"]), rows, n)


@encodes("silu_mul")
def silu_mul(e: Encoder, d: Dispatch) -> None:
    gate, up = d.arguments["gate"], d.arguments["up"]
    e.emit("silu_mul", e.at(d.outputs[0]), e.at(gate), e.at(up), e.size(gate))


def angles(e: Encoder, d: Dispatch, steps: int) -> int:
    """Address of cos and sin for rows from `position` on, made once for all layers of a program."""
    frequencies, position = d.arguments["inverse_frequencies"], d.arguments["position"]
    key = ("angles", frequencies.index, str(position), steps)
    if key not in e.shared:
        half = e.size(frequencies)
        table = e.shared[key] = e.allocate(8 * steps * half)
        e.emit("rope_angles", table, e.constant(frequencies, "float64"), e.slot(position), steps, half)
    return e.shared[key]


@encodes("rope")
def rope(e: Encoder, d: Dispatch) -> None:
    x = d.arguments["x"]
    *batch, steps, heads, size = e.shape(x)
    sign = e.f32(-1.0 if d.arguments.get("inverse") else 1.0)
    table = angles(e, d, steps)
    e.emit("rope", e.at(d.outputs[0]), e.at(x), table, math.prod(batch) * steps, steps, heads, size // 2, sign)


@encodes("cache_write")
def cache_write(e: Encoder, d: Dispatch) -> None:
    cache, x = d.arguments["cache"], d.arguments["x"]
    row, capacity = math.prod(e.shape(x)[1:]), e.shape(cache)[0]
    e.emit("cache_write", e.at(cache), e.at(x), e.slot(d.arguments["position"]), e.shape(x)[0], row, capacity)


@encodes("rope_cache")
def rope_cache(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    steps, heads, size = e.shape(a["q"])
    operands = [e.at(a[name]) for name in ("q", "k", "v", "keys", "values")]
    table, position = angles(e, d, steps), e.slot(a["position"])
    kv, capacity = e.shape(a["k"])[1], e.shape(a["keys"])[0]
    e.emit(
        "rope_cache", e.at(d.outputs[0]), *operands, table, position, steps, heads, kv, size // 2, capacity
    )  # fmt: skip


@encodes("attention")
def attention(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    steps, heads, size = e.shape(a["q"])
    capacity, kv, _ = e.shape(a["keys"])
    wide = -(-size // 8) * 8
    if max(2 * 48 * wide + 2 * 64 * wide + 48 * 64, heads * CHUNK) > SCRATCH_FLOATS:
        raise DeviceError(f"{heads} heads of {size} elements are too many", where="simd", remedy="Run it on NumPy.")
    y, position = e.at(d.outputs[0]), e.slot(a["position"])
    operands = e.at(a["q"]), e.at(a["keys"]), e.at(a["values"]), position, steps, heads, kv, size, capacity
    if steps == 1:
        parts = e.scratch(4 * -(-capacity // CHUNK) * heads * (size + 2))
        e.emit("attention_parts", parts, *operands)
        e.emit("attention_join", y, parts, position, heads, size)
    else:
        e.emit("attention", y, *operands)


@encodes("embedding")
def embedding(e: Encoder, d: Dispatch) -> None:
    ids, table = d.arguments["ids"], d.arguments["table"]
    rows, width = e.shape(table)
    e.emit("embedding", e.at(d.outputs[0]), e.at(ids), e.at(table), storage(e, table), e.size(ids), width, rows)


@encodes("mark")
def mark(e: Encoder, d: Dispatch) -> None:
    seen, ids = d.arguments["seen"], d.arguments["ids"]
    e.emit("mark", e.at(seen), e.at(ids), e.size(ids), e.size(seen))


@encodes("sample")
def sample(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    logits: Ref = a["logits"]
    n = e.size(logits)
    names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed", "step")
    aligned = -(-n // 4) * 4
    scores, candidates, sums = e.scratch(4 * n), e.scratch(8 * n, 4 * aligned), e.scratch(8 * n, 12 * aligned)
    slots = [e.slot(a[name]) for name in names]
    e.emit(
        "sample", e.at(d.outputs[0]), e.at(logits), e.at(a["seen"]), n, *slots, scores, candidates, sums
    )  # fmt: skip
