"""Dispatches of `wgsl/embedding.wgsl`, `embedding_gather.wgsl` and `embedding_grad.wgsl`."""

from __future__ import annotations

from typing import Any

from ..program import Dispatch
from .encode import Encoder, encodes
from .linear import grouped, parts
from .storage import GROUP, KINDS

LANES = 128
TABLE_GROUPS = 1024
"""With more rows of a table than this a workgroup has several, so that fewer read all ids."""
WANTED_GROUPS = 256
"""With fewer, workgroups share the columns."""


@encodes("token_ids")
def token_ids(e: Encoder, d: Dispatch) -> None:
    """What is no token has been refused before the replay (`token_check.py`)."""
    x = d.arguments["x"]
    numbers: dict[str, Any] = {"count": e.size(x), "width": 0, "vocabulary": 0, "own": 0}
    e.run("embedding_grad", "tokens", e.elements(e.size(x), LANES), **numbers, x=x, ids_out=d.outputs[0])


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


@encodes("embedding_grad")
def embedding_grad(e: Encoder, d: Dispatch) -> None:
    ids, gy = d.arguments["ids"], d.arguments["gy"]
    vocabulary, width = e.shape(d.outputs[0])
    own = -(-vocabulary // TABLE_GROUPS)
    groups = -(-vocabulary // own)
    columns = min(-(-width // LANES), -(-WANTED_GROUPS // groups))
    numbers: dict[str, Any] = {"count": e.size(ids), "width": width, "vocabulary": vocabulary, "own": own}
    e.run("embedding_grad", "rows", (e.elements(groups, 1), columns), **numbers, ids=ids, gy=gy, out=d.outputs[0])
