"""Words of `simd/embedding.c`."""

from __future__ import annotations

from ..program import Dispatch
from .encode import Encoder, encodes
from .linear import storage
from .shape import clear


@encodes("token_ids")
def token_ids(e: Encoder, d: Dispatch) -> None:
    """Replaying stops at an invalid token id, before anything has changed."""
    x, report = d.arguments["x"], e.report()
    e.emit("token_ids", e.at(d.outputs[0]), e.at(x), e.size(x), d.arguments["vocab_size"], report)
    e.emit("stop_if", report)


@encodes("embedding")
def embedding(e: Encoder, d: Dispatch) -> None:
    ids, table = d.arguments["ids"], d.arguments["table"]
    rows, width = e.shape(table)
    e.emit("embedding", e.at(d.outputs[0]), e.at(ids), e.at(table), storage(e, table), e.size(ids), width, rows)


@encodes("embedding_grad")
def embedding_grad(e: Encoder, d: Dispatch) -> None:
    ids, gy, table = d.arguments["ids"], d.arguments["gy"], d.outputs[0]
    clear(e, table)
    rows, width = e.shape(table)
    e.emit("embedding_grad", e.at(table), e.at(ids), e.at(gy), e.size(ids), width, rows)
