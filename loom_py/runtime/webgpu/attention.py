"""Dispatches of `wgsl/attention.wgsl`, `attention_cached.wgsl`, `attention_product.wgsl` and `attention_rows.wgsl`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import DeviceError
from ..program import Dispatch
from .encode import Encoder, encodes
from .matmul import TILE

LARGEST_HEAD = 256
WANTED_GROUPS = 128
"""Fewer workgroups than this, and a cache is processed in pieces."""
PIECE = 64
"""Fewest positions of a piece."""
SCRATCH = 2**24
"""About how many scores gradients of attention have at once: so many sequences or heads at a time."""


@encodes("attention")
def attention(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    steps, heads, size = e.shape(a["q"])
    capacity, kv, _ = e.shape(a["keys"])
    _require_narrow(size)
    parts = max(1, min(WANTED_GROUPS // (steps * heads), capacity // PIECE))
    numbers: dict[str, Any] = {
        "heads": heads, "kv": kv, "size": size, "position": e.slot(a["position"]), "parts": parts, "scale": size**-0.5,
        "window": a.get("window", 0), "cap": a.get("cap", 0.0),
    }  # fmt: skip
    operands = {"q": a["q"], "keys": a["keys"], "values": a["values"]}
    if parts == 1:
        e.run("attention", "whole", (heads, steps), **numbers, **operands, out=d.outputs[0])
        return
    pieces = e.scratch(4 * steps * heads * parts * (size + 2))
    e.run("attention", "part", (heads, steps, parts), **numbers, **operands, out=pieces)
    e.run("attention", "join", (heads, steps), **numbers, q=pieces, out=d.outputs[0])


@encodes("span_attention")
def span_attention(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    steps, heads, size = e.shape(a["q"])
    _require_narrow(size)
    numbers = {"heads": heads, "kv": e.shape(a["keys"])[1], "size": size, "scale": size**-0.5}
    numbers |= {"position": 0, "parts": 1, "window": 0, "cap": 0.0}
    operands = {name: a[name] for name in ("q", "keys", "values", "spans")}
    e.run("attention", "spanned", (heads, steps), **numbers, **operands, out=d.outputs[0])


def _require_narrow(size: int) -> None:
    if size > LARGEST_HEAD:
        raise DeviceError(f"heads of {size} elements are too wide", where="webgpu", remedy="Run it on another device.")


@dataclass(frozen=True)
class _Matrices:
    """A matrix for each batch and head of a tensor: strides in elements.

    `link`: to the matrix of the next query head that shares the key–value head; `first`: the first batch that is there.
    """

    tensor: Any
    row: int
    column: int
    outer: int
    head: int
    link: int = 0
    first: int = 0

    @property
    def transposed(self) -> _Matrices:
        return _Matrices(self.tensor, self.column, self.row, self.outer, self.head, self.link, self.first)


def _heads(e: Encoder, x: Any, kv: int) -> _Matrices:
    """(T, D) of each head of (B, T, heads, D); for a group's, its first, `link` apart."""
    _, steps, heads, size = e.shape(x)
    group = heads // kv
    return _Matrices(x, heads * size, 1, steps * heads * size, group * size, size)


def _each(e: Encoder, x: Any) -> _Matrices:
    return _heads(e, x, e.shape(x)[2])


def _multiply(
    e: Encoder,
    out: _Matrices,
    a: _Matrices,
    b: _Matrices,
    sizes: tuple[int, int, int],
    batches: tuple[int, int],
    heads: int,
    *,
    share: int = 1,
    links: int = 1,
    factor: float = 1.0,
    ends: int = 0,
) -> None:
    """`out = factor · Σ a b` for (M, N, K) matrices of `heads` heads of the batches from … to."""
    m, n, k = sizes
    first, end = batches
    pairs = (end - first) * heads
    numbers: dict[str, Any] = {
        "first": first * heads, "pairs": pairs, "inner": heads, "share": share, "links": links, "factor": factor,
        "m": m, "n": n, "k": k, "ends": ends,
        "a_row": a.row, "a_col": a.column, "a_outer": a.outer, "a_head": a.head, "a_link": a.link,
        "b_row": b.row, "b_col": b.column, "b_outer": b.outer, "b_head": b.head, "b_link": b.link,
        "out_row": out.row, "out_outer": out.outer, "out_head": out.head,
        "a_base": -a.first * a.outer, "out_base": -out.first * out.outer,
    }  # fmt: skip
    groups = (-(-n // TILE), -(-m // TILE), e.elements(pairs, 1))
    e.run("attention_product", "tiled", groups, **numbers, a=a.tensor, b=b.tensor, out=out.tensor)


@encodes("attend")
def attend(e: Encoder, d: Dispatch) -> None:
    a, (y, p) = d.arguments, d.outputs
    q, k, v, causal = _each(e, a["q"]), _each(e, a["k"]), _each(e, a["v"]), bool(a["causal"])
    batch, steps, heads, size = e.shape(a["q"])
    shared = {"share": heads // e.shape(a["k"])[2]}
    weights = _Matrices(p, steps, 1, heads * steps**2, steps**2)
    all_of = ((0, batch), heads)
    _multiply(
        e, weights, q, k.transposed, (steps, steps, size), *all_of, **shared, factor=size**-0.5, ends=int(causal)
    )  # fmt: skip
    rows = batch * heads * steps
    numbers: dict[str, Any] = {"rows": rows, "width": steps, "steps": steps, "scale": 1.0, "first": 0}
    e.run("attention_rows", "softmax", e.elements(rows, 1), **numbers, causal=causal, out=p)
    _multiply(e, _each(e, y), weights, v, (steps, size, steps), *all_of, **shared, ends=2 * causal)


@encodes("attend_grad")
def attend_grad(e: Encoder, d: Dispatch) -> None:
    a, (gq, gk, gv) = d.arguments, d.outputs
    batch, steps, heads, size = e.shape(a["q"])
    kv, square = e.shape(a["k"])[2], steps**2
    group = heads // kv
    at_once = min(batch, max(1, SCRATCH // (heads * square)))
    scores = e.temporary((at_once, heads, steps, steps))
    for first in range(0, batch, at_once):
        end = min(first + at_once, batch)
        gs = _Matrices(scores, steps, 1, heads * square, square, first=first)
        k, v = _each(e, a["k"]), _each(e, a["v"])
        _multiply(
            e, gs, _each(e, a["gy"]), v.transposed, (steps, steps, size), (first, end), heads, share=group
        )  # fmt: skip
        rows = (end - first) * heads * steps
        numbers: dict[str, Any] = {"rows": rows, "width": steps, "steps": steps, "scale": size**-0.5, "causal": 0}
        numbers["first"] = first * heads * steps
        e.run(
            "attention_rows", "backward", e.elements(rows, 1), **numbers, weights=a["probabilities"], out=scores
        )  # fmt: skip
        _multiply(e, _each(e, gq), gs, k, (steps, size, steps), (first, end), heads, share=group)
        for out, weights, other, start in ((gk, scores, a["q"], first), (gv, a["probabilities"], a["gy"], 0)):
            by_key = _Matrices(weights, 1, steps, heads * square, group * square, square, start)
            operands = _each(e, out), by_key, _heads(e, other, kv)
            _multiply(e, *operands, (steps, size, steps), (first, end), kv, links=group)


@encodes("attention_grad")
def attention_grad(e: Encoder, d: Dispatch) -> None:
    """Some key–value heads at a time, each a batch of the query heads that share it."""
    a, (gq, gkeys, gvalues) = d.arguments, d.outputs
    steps, heads, size = e.shape(a["q"])
    length, kv, _ = e.shape(a["keys"])
    group, square = heads // kv, steps * length
    at_once = min(kv, max(1, SCRATCH // (group * square)))
    shape = (at_once, group, steps, length)
    weights, scores = e.temporary(shape), e.temporary(shape)
    cap = a.get("cap", 0.0)
    slopes = e.temporary(shape if cap else (1,))
    numbers: dict[str, Any] = {"width": length, "steps": steps, "scale": size**-0.5, "cap": cap}
    numbers |= {"position": e.slot(a["position"]), "window": a.get("window", 0)}

    def queries(x: Any) -> _Matrices:
        return _Matrices(x, heads * size, 1, group * size, size, size)

    def cache(x: Any) -> _Matrices:
        return _Matrices(x, kv * size, 1, size, 0)

    for first in range(0, kv, at_once):
        some = (first, min(first + at_once, kv))
        p, gs = (_Matrices(x, length, 1, group * square, square, square, first) for x in (weights, scores))
        rows = (some[1] - some[0]) * group * steps
        _multiply(
            e, p, queries(a["q"]), cache(a["keys"]).transposed, (steps, length, size), some, group, factor=size**-0.5
        )  # fmt: skip
        numbers["rows"] = rows
        e.run("attention_cached", "softmax", e.elements(rows, 1), **numbers, slopes_out=slopes, out=weights)
        _multiply(e, gs, queries(a["gy"]), cache(a["values"]).transposed, (steps, length, size), some, group)
        e.run(
            "attention_cached", "backward", e.elements(rows, 1), **numbers, weights=weights, slopes=slopes, out=scores
        )  # fmt: skip
        _multiply(e, queries(gq), gs, cache(a["keys"]), (steps, size, length), some, group)
        for out, left, other in ((gkeys, gs, a["q"]), (gvalues, p, a["gy"])):
            _multiply(e, cache(out), left.transposed, queries(other), (length, size, steps), some, 1, links=group)
