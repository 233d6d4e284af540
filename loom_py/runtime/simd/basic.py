"""Words of the kernels in `simd/memory.c`, `matmul.c`, `elementwise.c` and `optimiser.c`."""

from __future__ import annotations

from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("reshape")
def reshape(e: Encoder, d: Dispatch) -> None:
    """Nothing: the result shares its source's bytes."""


@encodes("zeros")
def zeros(e: Encoder, d: Dispatch) -> None:
    e.emit("fill", e.at(d.outputs[0]), e.size(d.outputs[0]), e.f32(0.0))


@encodes("assign")
def assign(e: Encoder, d: Dispatch) -> None:
    e.emit("copy", e.at(d.arguments["state"]), e.at(d.arguments["x"]), 4 * e.size(d.arguments["x"]))


@encodes("add")
def add(e: Encoder, d: Dispatch) -> None:
    e.emit("add", e.at(d.outputs[0]), e.at(d.arguments["a"]), e.at(d.arguments["b"]), e.size(d.outputs[0]))


@encodes("matmul")
def matmul(e: Encoder, d: Dispatch) -> None:
    a, b = d.arguments["a"], d.arguments["b"]
    ar, ac = (e.shape(a)[1], 1) if not d.arguments.get("transpose_a") else (1, e.shape(a)[1])
    br, bc = (e.shape(b)[1], 1) if not d.arguments.get("transpose_b") else (1, e.shape(b)[1])
    m, n = e.shape(d.outputs[0])
    k = e.shape(a)[0 if d.arguments.get("transpose_a") else 1]
    bias = d.arguments.get("bias")
    e.emit("matmul", e.at(d.outputs[0]), e.at(a), e.at(b), e.at(bias), m, n, k, ar, ac, br, bc)


@encodes("sgd_step")
def sgd_step(e: Encoder, d: Dispatch) -> None:
    w = d.arguments["w"]
    e.emit("sgd_step", e.at(w), e.at(d.arguments["g"]), e.size(w), e.slot(d.arguments["learning_rate"]))


@encodes("narrow")
def narrow(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    shape = e.shape(a["x"])
    row = 4 * e.size(a["x"]) // shape[0]
    e.emit("copy", e.at(d.outputs[0]), e.at(a["x"]) + a["start"] * row, a["length"] * row)
