"""Words of `simd/experts.c`."""

from __future__ import annotations

from ...errors import DeviceError
from ..program import Dispatch
from .encode import Encoder, encodes
from .linear import GROUP, STORAGES, TILE, digits_bytes, digits_wanted, storage

MAX_CHOICES = 65536
"""Experts of one token whose gradients are kept apart, as the scratch memory of a thread has it."""


@encodes("route")
def route(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    ids, probabilities = map(e.at, d.outputs)
    operands = e.at(a["logits"]), *e.shape(a["logits"]), a["count"], int(a["normalised"])
    e.emit("route", ids, probabilities, *operands)


@encodes("expert_linear")
def expert_linear(e: Encoder, d: Dispatch) -> None:
    x, ids, weight, experts = (d.arguments[name] for name in ("x", "ids", "weight", "experts"))
    kind, rows, k = storage(e, weight), e.shape(weight)[0] // experts, e.shape(x)[2]
    if kind >= STORAGES["Q8_0"] and rows % GROUP:
        message = f"experts of {rows} rows do not divide into groups of {GROUP}"
        raise DeviceError(message, where="simd", remedy="Run it on NumPy.")
    inputs, choices = e.size(x) // k, e.size(ids)
    share, want = choices // inputs, digits_wanted(e, [kind], k)
    y, weights = e.at(d.outputs[0]), e.at(weight)
    if choices <= experts:
        digits = e.scratch(inputs * digits_bytes(want, k))
        if want:
            e.emit("expert_digits", digits, e.at(x), inputs, k, want)
        numbers = (kind, choices, share, rows, k, experts, want)
        e.emit("expert_linear", y, e.at(x), e.at(ids), weights, digits, *numbers)
        return
    most = (choices + min(experts, choices) * (TILE - 1)) // TILE  # tiles, where each expert's last has one row
    order = e.scratch(aligned := -(-4 * (2 * experts + 1 + most * TILE) // 16) * 16)
    tiles = e.scratch(most * TILE * (digits_bytes(want, k) if want else 4 * k), aligned)
    e.emit("expert_order", order, e.at(ids), choices, experts)
    e.emit("expert_tiles", tiles, e.at(x), order, experts, share, k, want)
    e.emit("expert_matrix", y, tiles, order, weights, kind, choices, rows, k, experts, want)


@encodes("route_grad")
def route_grad(e: Encoder, d: Dispatch) -> None:
    logits, ids, g = (d.arguments[name] for name in ("logits", "ids", "g"))
    sizes = *e.shape(logits), e.shape(ids)[1], int(d.arguments["normalised"])
    if sizes[2] > MAX_CHOICES:
        raise DeviceError(f"{sizes[2]} experts of a token are too many", where="simd", remedy="Run it on NumPy.")
    e.emit("route_grad", e.at(d.outputs[0]), e.at(logits), e.at(ids), e.at(g), *sizes)


@encodes("expert_linear_grad")
def expert_linear_grad(e: Encoder, d: Dispatch) -> None:
    x, ids, weight, experts, gy = (d.arguments[name] for name in ("x", "ids", "weight", "experts", "gy"))
    if storage(e, weight) != STORAGES["F32"]:
        raise DeviceError("experts have gradients in float32 only", where="simd", remedy="Run it on NumPy.")
    tokens, parts, k = e.shape(x)
    rows, count = e.shape(weight)[0] // experts, e.shape(ids)[1]
    gx, gweight = map(e.at, d.outputs)
    sizes = tokens, parts, count, rows, k, experts
    e.emit("expert_inputs_grad", gx, e.at(ids), e.at(weight), e.at(gy), *sizes)
    e.emit("expert_weights_grad", gweight, e.at(x), e.at(ids), e.at(gy), *sizes)
