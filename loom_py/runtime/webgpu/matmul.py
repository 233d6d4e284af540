"""Dispatches of `wgsl/matmul.wgsl` and `matmul_mix.wgsl`, and how products with `wgsl/tile_gather.wgsl` are shared."""

from __future__ import annotations

from typing import Any

from ..program import Dispatch
from .encode import MAX_GROUPS, Encoder, encodes

TILE = 64
FEW_ROWS = 16
ENOUGH_GROUPS = 256
LEAST_RUN = 256


@encodes("matmul")
def matmul(e: Encoder, d: Dispatch) -> None:
    a, b, bias = (d.arguments.get(name) for name in ("a", "b", "bias"))
    product(e, d.outputs[0], a, b, bias, bool(d.arguments.get("transpose_a")), bool(d.arguments.get("transpose_b")))


@encodes("mix")
def mix(e: Encoder, d: Dispatch) -> None:
    out, parts = d.outputs[0], d.arguments["parts"]
    n = e.size(out)
    numbers = _mixture(e, n, parts)
    e.run("matmul_mix", "mix", e.elements(n, 64), **numbers, factors=d.arguments["weights"], parts=parts, out=out)


@encodes("mix_grad")
def mix_grad(e: Encoder, d: Dispatch) -> None:
    weights, parts, g = (d.arguments[name] for name in ("weights", "parts", "g"))
    gweights, gparts = d.outputs
    n = e.size(weights)
    e.run("matmul_mix", "along", e.elements(n, 1), **_mixture(e, n, parts), parts=parts, g=g, out=gweights)
    n = e.size(parts)
    e.run("matmul_mix", "spread", e.elements(n, 64), **_mixture(e, n, parts), factors=weights, g=g, out=gparts)


def _mixture(e: Encoder, n: int, parts: Any) -> dict[str, Any]:
    _, count, width = e.shape(parts)
    return {"n": n, "count": count, "width": width}


def product(e: Encoder, out: Any, a: Any, b: Any, bias: Any, transpose_a: bool, transpose_b: bool) -> None:
    """`op(a) @ op(b) + bias` for operands of the last two axes; leading axes of `a` count as rows."""
    ka, kb = e.shape(a)[-1], e.shape(b)[-1]
    n = e.shape(out)[-1]
    m = e.size(out) // n
    numbers = {
        "m": m,
        "n": n,
        "k": e.size(a) // m,
        "a_row": 1 if transpose_a else ka,
        "a_col": ka if transpose_a else 1,
        "b_row": 1 if transpose_b else kb,
        "b_col": kb if transpose_b else 1,
        "has_bias": bias is not None,
    }
    operands = {"a": a, "b": b, "bias": a if bias is None else bias, "out": out}
    if m * n < TILE * TILE or min(m, n) <= 8:
        e.run("matmul", "simple", e.elements(m * n, 64), **numbers, **operands)
    else:
        e.run("matmul", "tiled", (-(-n // TILE), -(-m // TILE)), **numbers, **operands)


def gathered(rows: int, columns: int) -> tuple[dict[str, float], tuple[int, int]]:
    """Constants of `wgsl/tile_gather.wgsl` for a product, and its workgroups; their shaders loop over more columns."""
    few = rows <= FEW_ROWS
    constants = {"ROWS": 4, "COLS": 64, "DEPTH": 8} if few else {"ROWS": 16, "COLS": 16, "DEPTH": 16}
    across, down = (-(-size // (4 * constants[name])) for size, name in ((columns, "COLS"), (rows, "ROWS")))
    return {**constants}, (min(across, MAX_GROUPS), down)


def split(tiles: int, length: int) -> tuple[int, int]:
    """(runs, elements of a run) of sums of that length in so many tiles: few tiles alone would leave a GPU idle."""
    most = max(min(ENOUGH_GROUPS // tiles, -(-length // LEAST_RUN)), 1)
    run = -(-length // most)
    return -(-length // run), run
