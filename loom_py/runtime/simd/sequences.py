"""Recurrent sequences, norms, and tables that are looked up."""

from __future__ import annotations

from ..program import Dispatch
from .elementwise import clear
from .encode import Encoder, Scratch, encodes
from .products import product


@encodes("rnn_sequence")
def rnn_sequence(e: Encoder, d: Dispatch) -> None:
    operands = (e.at(d.arguments[name]) for name in ("zx", "w_hh", "h0"))
    e.emit("rnn_sequence", e.at(d.outputs[0]), *operands, *e.shape(d.arguments["zx"]))


@encodes("lstm_sequence")
def lstm_sequence(e: Encoder, d: Dispatch) -> None:
    operands = (e.at(d.arguments[name]) for name in ("zx", "w_hh", "h0", "c0"))
    e.emit("lstm_sequence", *map(e.at, d.outputs), *operands, *e.shape(d.outputs[0]))


def _before(e: Encoder, d: Dispatch) -> tuple[int | Scratch, int]:
    """(where the step before each is, (B, T, H); what the kernel is told to fill: nothing for a single step)."""
    _, steps, _ = e.shape(d.arguments["h"])
    if steps == 1:
        return e.at(d.arguments["h0"]), 0
    scratch = e.scratch(4 * e.size(d.arguments["h"]))
    return scratch, scratch


def _weights_grad(e: Encoder, d: Dispatch, before: int) -> None:
    """gW_hh = Σ over samples and steps gz_t h_{t−1}ᵀ."""
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


@encodes("layer_norm")
def layer_norm(e: Encoder, d: Dispatch) -> None:
    x = d.arguments["x"]
    width = e.shape(x)[-1]
    operands = (e.at(d.arguments[name]) for name in ("x", "gamma", "beta"))
    e.emit("layer_norm", e.at(d.outputs[0]), *operands, e.size(x) // width, width, e.slot(d.arguments["eps"]))


@encodes("rms_norm_grad", "layer_norm_grad")
def norm_grad(e: Encoder, d: Dispatch) -> None:
    """First gx row by row, keeping each row's mean and scale, then the weights' gradients column by column."""
    x, gamma, gy = (e.at(d.arguments[name]) for name in ("x", "gamma", "gy"))
    width = e.shape(d.arguments["x"])[-1]
    rows = e.size(d.arguments["x"]) // width
    centred = d.kernel == "layer_norm_grad"
    spreads = e.scratch(8 * rows)
    eps = e.slot(d.arguments["eps"])
    e.emit("norm_grad", e.at(d.outputs[0]), spreads, x, gamma, gy, rows, width, eps, centred)
    gbeta = e.at(d.outputs[2]) if centred else 0
    e.emit("norm_weights_grad", e.at(d.outputs[1]), gbeta, spreads, x, gy, rows, width)


@encodes("token_ids")
def token_ids(e: Encoder, d: Dispatch) -> None:
    """Replaying stops where an input is no token id, before anything is changed by it."""
    x, report = d.arguments["x"], e.report()
    e.emit("token_ids", e.at(d.outputs[0]), e.at(x), e.size(x), d.arguments["vocab_size"], report)
    e.emit("stop_if", report)


@encodes("embedding_grad")
def embedding_grad(e: Encoder, d: Dispatch) -> None:
    ids, gy, table = d.arguments["ids"], d.arguments["gy"], d.outputs[0]
    clear(e, table)
    rows, width = e.shape(table)
    e.emit("embedding_grad", e.at(table), e.at(ids), e.at(gy), e.size(ids), width, rows)
