"""Words of `simd/recurrent.c`."""

from __future__ import annotations

from ..program import Dispatch
from .encode import Encoder, Scratch, encodes
from .matmul import product


@encodes("rnn_sequence")
def rnn_sequence(e: Encoder, d: Dispatch) -> None:
    operands = (e.at(d.arguments[name]) for name in ("zx", "w_hh", "h0"))
    e.emit("rnn_sequence", e.at(d.outputs[0]), *operands, *e.shape(d.arguments["zx"]))


@encodes("lstm_sequence")
def lstm_sequence(e: Encoder, d: Dispatch) -> None:
    operands = (e.at(d.arguments[name]) for name in ("zx", "w_hh", "h0", "c0"))
    e.emit("lstm_sequence", *map(e.at, d.outputs), *operands, *e.shape(d.outputs[0]))


def _before(e: Encoder, d: Dispatch) -> tuple[int | Scratch, int]:
    """(address of h_{t−1} for every step, (B, T, H); the same where the kernel fills it, 0 for a single step)."""
    _, steps, _ = e.shape(d.arguments["h"])
    if steps == 1:
        return e.at(d.arguments["h0"]), 0
    scratch = e.scratch(4 * e.size(d.arguments["h"]))
    return scratch, scratch


def _weights_grad(e: Encoder, d: Dispatch, before: int) -> None:
    """gW_hh = Σ over samples and steps of gz_t h_{t−1}ᵀ."""
    gz, gw = d.outputs[0], d.outputs[1]
    (m, n), k = e.shape(gw), e.size(gz) // e.shape(gz)[2]
    product(e, e.at(gw), e.at(gz), before, (m, n, k), left=(1, m), right=(n, 1))


@encodes("rnn_sequence_grad")
def rnn_sequence_grad(e: Encoder, d: Dispatch) -> None:
    gz, _, gh0 = d.outputs
    before, fill = _before(e, d)
    operands = (e.at(d.arguments[name]) for name in ("h", "w_hh", "h0", "gh"))
    e.emit(
        "rnn_sequence_grad", e.at(gz), e.at(gh0), fill, *operands, *e.shape(d.arguments["h"]), e.wanted(gh0)
    )  # fmt: skip
    _weights_grad(e, d, before)


@encodes("lstm_sequence_grad")
def lstm_sequence_grad(e: Encoder, d: Dispatch) -> None:
    gz, _, gh0, gc0 = d.outputs
    before, fill = _before(e, d)
    operands = (e.at(d.arguments[name]) for name in ("h", "c", "gates", "w_hh", "h0", "c0", "gh"))
    shape = e.shape(d.arguments["h"])
    e.emit("lstm_sequence_grad", e.at(gz), e.at(gh0), e.at(gc0), fill, *operands, *shape, e.wanted(gh0))
    _weights_grad(e, d, before)
