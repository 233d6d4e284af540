"""Words of `simd/matmul.c`: matrix products and mixtures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..program import Dispatch
from .encode import Encoder, encodes

TILE_ROWS = 240  # as in simd/matmul.c
PIECE = 100_000
"""Fewest multiply-adds that are worth sharing with a thread."""
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
    """One `matmul` instruction: many products y (M, N) = a (M, K) b (K, N).

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
    """Multiply each sample's row of weights by its parts."""
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
