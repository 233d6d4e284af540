"""Dispatches of `wgsl/linear_*.wgsl`: products with weights in any storage.

A matrix that is larger than what a device binds at once is bound in parts, each a run of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd, lcm
from typing import Any

from ..program import Dispatch, Ref
from .activation import silu_product
from .encode import Encoder, encodes
from .matmul import product
from .norm import normalised
from .plan import ALIGNMENT, Slice, padded
from .storage import BLOCK, GROUP, KINDS, QUANTS, SCALES, element_bytes, scales_start

FEW = 8
"""Most rows of activations that are multiplied one at a time."""
ACROSS = 32768
ROWS, TILE = 4, 64


@dataclass(frozen=True)
class Part:
    """Rows `first …` of a matrix, as `weights` and `scales` are bound."""

    first: int
    rows: int
    weights: Slice
    scales: Slice


def grouped(e: Encoder, weight: Ref) -> bool:
    """Whether rows are whole groups of eight, as the fast shaders need."""
    return e.shape(weight)[-1] % GROUP == 0


def parts(e: Encoder, weight: Ref) -> Iterator[Part]:
    """A matrix in as few parts as the device's limit allows; parts begin at multiples of 256 bytes."""
    storage, (rows, width) = e.stored(weight), e.shape(weight)
    whole = e.place(weight)
    blocks = storage in SCALES
    row = width // BLOCK * QUANTS[storage] if blocks else width * element_bytes(storage)
    scale_row = width // BLOCK * SCALES[storage] if blocks else 0
    step = rows
    if rows * row > e.limits["maxStorageBufferBindingSize"]:
        unit = lcm(*(ALIGNMENT // gcd(ALIGNMENT, size) for size in (row, scale_row or ALIGNMENT)))
        step = max((e.limits["maxStorageBufferBindingSize"] - 16) // row // unit, 1) * unit
    start = scales_start((rows, width), storage)
    for first in range(0, rows, step):
        count = min(step, rows - first)
        weights = whole.part(first * row, padded(count * row))
        scales = whole.part(start + first * scale_row, padded(count * scale_row)) if blocks else weights
        yield Part(first, count, weights, scales)


def apply(
    e: Encoder,
    x: Any,
    weight: Ref,
    bias: Any,
    out: Any,
    *,
    norm: tuple[Ref, float] | None = None,
    residual: Any = None,
) -> None:
    """`out = norm(x) @ weightᵀ + bias + residual`."""
    rows, width = e.shape(weight)
    tokens = e.size(x) // width
    if norm is not None and (tokens > FEW or not grouped(e, weight)):
        x, norm = normalised(e, x, *norm), None
    if not grouped(e, weight):
        target = e.temporary((tokens, rows)) if residual is not None else out
        product(e, target, x, weight, bias, False, True)
        if residual is not None:
            n = tokens * rows
            e.run("elementwise", "add", e.elements(n), n=n, factor=0.0, a=target, b=residual, out=out)
        return
    constants: dict[str, float] = {"STORAGE": KINDS[e.stored(weight)], "ADD": int(residual is not None)}
    numbers: dict[str, Any] = {"eights": width // GROUP, "stride": rows, "has_bias": bias is not None}
    common: dict[str, Any] = {"x": x, "bias": x if bias is None else bias, "out": out}
    common["residual"] = x if residual is None else residual
    for part in parts(e, weight):
        numbers |= {"rows": part.rows, "first": part.first}
        operands = common | {"weights": part.weights, "scales": part.scales}
        if tokens <= FEW:
            gamma, eps = norm or (x, 0.0)
            some = constants | {"NORM": int(norm is not None)}
            operands |= {"gamma": gamma}
            e.run("linear_row", "dot_rows", across(part.rows, tokens), some, **numbers, eps=eps, **operands)
        else:
            groups = (-(-part.rows // TILE), -(-tokens // TILE))
            e.run("linear_tile", "tiled", groups, constants, **numbers, tokens=tokens, **operands)


def across(rows: int, tokens: int) -> tuple[int, int, int]:
    """Workgroups of four rows each."""
    groups = -(-rows // ROWS)
    return min(groups, ACROSS), -(-groups // ACROSS), tokens


@encodes("linear")
def linear(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    apply(e, a["x"], a["weight"], a.get("bias"), d.outputs[0])


@encodes("linear_add")
def linear_add(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    apply(e, a["x"], a["weight"], a.get("bias"), d.outputs[0], residual=a["residual"])


@encodes("norm_linear")
def norm_linear(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    x: Any = a["x"]
    norm: tuple[Ref, float] | None = (a["gamma"], a["eps"])
    if e.size(x) // e.size(a["gamma"]) > FEW or not grouped(e, a["weights"][0]):
        x, norm = normalised(e, x, a["gamma"], a["eps"]), None
    for weight, bias, out in zip(a["weights"], a["biases"], d.outputs, strict=True):
        apply(e, x, weight, bias, out, norm=norm)


@encodes("norm_gate_up")
def norm_gate_up(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    gate, up = a["gate"], a["up"]
    rows, width = e.shape(gate)
    tokens = e.size(a["x"]) // width
    biases = a.get("gate_bias"), a.get("up_bias")
    pieces = [list(parts(e, w)) for w in (gate, up)]
    simple = tokens <= FEW and grouped(e, gate) and biases == (None, None) and e.stored(gate) == e.stored(up)
    if simple and len(pieces[0]) == len(pieces[1]) == 1:
        (first,), (second,) = pieces
        operands = {"gate": first.weights, "gate_scales": first.scales}
        operands |= {"up": second.weights, "up_scales": second.scales}
        numbers = {"eights": width // GROUP, "rows": rows, "eps": a["eps"]}
        kind = {"STORAGE": KINDS[e.stored(gate)]}
        common = {"x": a["x"], "gamma": a["gamma"], "out": d.outputs[0]}
        e.run("linear_gate", "dot_rows", across(rows, tokens), kind, **numbers, **operands, **common)
        return
    x = normalised(e, a["x"], a["gamma"], a["eps"])
    products = [e.temporary((tokens, rows)) for _ in range(2)]
    for weight, bias, out in zip((gate, up), biases, products, strict=True):
        apply(e, x, weight, bias, out)
    silu_product(e, products[0], products[1], d.outputs[0])
