"""Words of `simd/experts.c`."""

from __future__ import annotations

from ...errors import DeviceError
from ..program import Dispatch
from .encode import Encoder, encodes
from .linear import GROUP, STORAGES, digits_bytes, digits_wanted, storage


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
    want = digits_wanted(e, [kind], k)
    digits = e.scratch(inputs * digits_bytes(want, k))
    if want:
        e.emit("expert_digits", digits, e.at(x), inputs, k, want)
    operands = e.at(d.outputs[0]), e.at(x), e.at(ids), e.at(weight), digits
    e.emit("expert_linear", *operands, kind, choices, choices // inputs, rows, k, experts, want)
