"""Dispatches of `wgsl/embedding.wgsl` and `embedding_gather.wgsl`."""

from __future__ import annotations

from ..program import Dispatch
from .encode import Encoder, encodes
from .linear import grouped, parts
from .storage import GROUP, KINDS


@encodes("embedding")
def embedding(e: Encoder, d: Dispatch) -> None:
    ids, table = d.arguments["ids"], d.arguments["table"]
    count, width = e.size(ids), e.shape(table)[1]
    if not grouped(e, table):
        groups = e.elements(count * width, 64)
        e.run("embedding_gather", "rows", groups, ids=ids, width=width, table=table, out=d.outputs[0], count=count)
        return
    for part in parts(e, table):
        numbers = {"count": count, "eights": width // GROUP, "first": part.first, "rows": part.rows}
        operands = {"ids": ids, "weights": part.weights, "scales": part.scales, "out": d.outputs[0]}
        kind = {"STORAGE": KINDS[e.stored(table)]}
        e.run("embedding", "rows", e.elements(count * (width // GROUP), 64), kind, **numbers, **operands)
