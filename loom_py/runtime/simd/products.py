"""Matrix products and what is made of them: `matmul`, mixtures, attention within sequences, convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..program import Dispatch
from .encode import Encoder, Scratch, encodes

TILE_ROWS = 240  # as in simd/matmul.c
PIECE = 100_000
"""Multiply-adds that are worth a thread's while."""
MAX_PIECES = 32
ADD, BIAS_PER_ROW = 1, 2

Offsets = Sequence[tuple[int, int, int]]


def product(
    e: Encoder,
    y: int,
    a: int,
    b: int,
    sizes: tuple[int, int, int],
    *,
    rows: int | None = None,
    left: tuple[int, int],
    right: tuple[int, int],
    bias: int = 0,
    flags: int = 0,
    offsets: Offsets = ((0, 0, 0),),
    chain: int = 1,
) -> None:
    """One `matmul` instruction: y (M, N) = a (M, K) b (K, N), many of them.

    **Arguments:**

    - `y`, `a`, `b`, `bias`: addresses.
    - `sizes`: M, N, K.
    - `rows`: floats from one row of y to the next, if not N.
    - `left`, `right`: floats from one row and one column of a and b to the next.
    - `offsets`: for each product where y, a and b begin, in floats from their addresses; `chain` products in a row
      add up to one result.
    """
    m, n, k = sizes
    results = len(offsets) // chain
    down = -(-m // TILE_ROWS)
    wanted = min(MAX_PIECES, max(1, m * n * k * len(offsets) // PIECE))
    panels = -(-n // 8)
    across = max(1, min(panels, wanted // (results * down)))
    tile_columns = -(-panels // across) * 8
    tiles = results * down * -(-n // tile_columns)
    table = e.table(np.array(offsets, np.uint32)) if any(map(any, offsets)) else 0
    e.emit(
        "matmul", y, a, b, bias, m, n, k, n if rows is None else rows, *left, *right, flags,
        results, table, min(m, TILE_ROWS), tile_columns, -(-tiles // wanted), chain,
    )  # fmt: skip


@encodes("matmul")
def matmul(e: Encoder, d: Dispatch) -> None:
    a, b = d.arguments["a"], d.arguments["b"]
    (rows, k), width = e.shape(a), e.shape(b)[1]
    left, right = (k, 1), (width, 1)
    if d.arguments.get("transpose_a"):
        left, k = (1, k), rows
    if d.arguments.get("transpose_b"):
        right = (1, width)
    m, n = e.shape(d.outputs[0])
    bias = e.at(d.arguments.get("bias"))
    product(e, e.at(d.outputs[0]), e.at(a), e.at(b), (m, n, k), left=left, right=right, bias=bias)


@encodes("mix")
def mix(e: Encoder, d: Dispatch) -> None:
    """Each sample's row of weights times its parts."""
    weights, parts = d.arguments["weights"], d.arguments["parts"]
    batch, k, f = e.shape(parts)
    offsets = [(i * f, i * k, i * k * f) for i in range(batch)]
    y = e.at(d.outputs[0])
    product(e, y, e.at(weights), e.at(parts), (1, f, k), left=(k, 1), right=(f, 1), offsets=offsets)


@encodes("mix_grad")
def mix_grad(e: Encoder, d: Dispatch) -> None:
    """gweights = g partsᵀ, gparts = weightsᵀ g, sample by sample."""
    weights, parts, g = (e.at(d.arguments[name]) for name in ("weights", "parts", "g"))
    batch, k, f = e.shape(d.arguments["parts"])
    gweights, gparts = map(e.at, d.outputs)
    offsets = [(i * k, i * f, i * k * f) for i in range(batch)]
    product(e, gweights, g, parts, (1, k, f), left=(f, 1), right=(1, f), offsets=offsets)
    offsets = [(i * k * f, i * k, i * f) for i in range(batch)]
    product(e, gparts, weights, g, (k, f, 1), left=(1, k), right=(f, 1), offsets=offsets)


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


def _windows(e: Encoder, d: Dispatch) -> tuple[tuple[int, ...], tuple[int, int, int, int]]:
    """(words of the shape, (B, F, C·KH·KW, OH·OW))."""
    batch, channels, height, width = e.shape(d.arguments["x"])
    filters, _, tall, broad = e.shape(d.arguments["kernel"])
    stride, padding = d.arguments["stride"], d.arguments["padding"]
    high = (height + 2 * padding[0] - tall) // stride[0] + 1
    wide = (width + 2 * padding[1] - broad) // stride[1] + 1
    shape = (batch, channels, height, width, tall, broad, *stride, *padding, high, wide)
    return shape, (batch, filters, channels * tall * broad, high * wide)


@encodes("conv2d")
def conv2d(e: Encoder, d: Dispatch) -> None:
    """Windows as columns, then kernel (F, C·KH·KW) times columns for each sample."""
    shape, (batch, filters, taps, places) = _windows(e, d)
    columns = e.scratch(4 * batch * taps * places)
    e.emit("unfold", columns, e.at(d.arguments["x"]), *shape)
    kernel, bias = e.at(d.arguments["kernel"]), e.at(d.arguments["bias"])
    product(
        e, e.at(d.outputs[0]), kernel, columns, (filters, places, taps), left=(taps, 1), right=(places, 1), bias=bias,
        flags=BIAS_PER_ROW, offsets=[(b * filters * places, 0, b * taps * places) for b in range(batch)],
    )  # fmt: skip


@encodes("conv2d_grad")
def conv2d_grad(e: Encoder, d: Dispatch) -> None:
    """gkernel = Σ_b gy_b columns_bᵀ; gcolumns = kernelᵀ gy, folded back; gbias sums gy over samples and places."""
    shape, (batch, filters, taps, places) = _windows(e, d)
    kernel, gy = e.at(d.arguments["kernel"]), e.at(d.arguments["gy"])
    gx, gkernel, gbias = map(e.at, d.outputs)
    nbytes = 4 * batch * taps * places
    columns: Scratch = e.scratch(nbytes)
    totals = e.scratch(4 * batch * filters, nbytes)
    e.emit("sum", totals, gy, batch * filters, places, 1)
    e.emit("sum", gbias, totals, 1, batch, filters)
    e.emit("unfold", columns, e.at(d.arguments["x"]), *shape)
    product(
        e, gkernel, gy, columns, (filters, taps, places), left=(places, 1), right=(1, places),
        offsets=[(0, b * filters * places, b * taps * places) for b in range(batch)], chain=batch,
    )  # fmt: skip
    if not e.wanted(d.outputs[0]):
        return
    product(
        e, columns, kernel, gy, (taps, places, filters), left=(1, taps), right=(places, 1),
        offsets=[(b * taps * places, 0, b * filters * places) for b in range(batch)],
    )  # fmt: skip
    e.emit("fold", gx, columns, *shape)
