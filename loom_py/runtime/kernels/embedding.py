"""Rows of a table by token id."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import InputError
from ..abstract import FLOAT32, Abstract, alike
from ..kernel import Array, Gradients, kernel
from ..ops import Ops, Tensor
from ..signature import signature


def _ids(x: Any, vocab_size: int) -> Abstract:
    return Abstract(tuple(x.shape), np.dtype(np.int64))


VOCABULARY = {"vocab_size": {"minimum": 1, "maximum": 2**31 - 1}}


@kernel(shapes=signature("x *", rule=_ids, ranges=VOCABULARY))
def token_ids(x: Array, vocab_size: int) -> Array:
    """Floats that are whole numbers in `0 … vocab_size − 1` → integer ids; anything else is an `InputError`."""
    ids = x.astype(np.int64)
    wrong = (ids != x) | (ids < 0) | (ids >= vocab_size)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise InputError(f"{x.flat[at]:g} is not a token id below {vocab_size}", where=f"input[{at}]")
    return ids


def _has_unknown(ids: Array, vocab_size: int) -> bool:
    """Whether an id lies outside the table; as unsigned numbers, negative ones lie far beyond it."""
    return bool(ids.view(f"u{ids.itemsize}").max() >= vocab_size)


def _rows(ids: Array, table: Array) -> Abstract:
    return Abstract((*ids.shape, table.shape[1]), np.result_type(table.dtype, FLOAT32))


def _embedding_rule(ops: Ops, y: Tensor, gy: Tensor, /, ids: Tensor, table: Tensor) -> Gradients:
    return {"table": ops.embedding_grad(ids, table.shape[0], gy)}


@kernel(shapes=signature("ids:int *, table V D", rule=_rows), gradient=_embedding_rule)
def embedding(ids: Array, table: Array) -> Array:
    """Rows of `table` (V, D), in any storage the device knows, at integer `ids` (…,) → (…, D).

    An id that is none gives NaN; a GPU leaves what was there.
    """
    if _has_unknown(ids, len(table)):
        valid = (ids >= 0) & (ids < len(table))
        return np.where(valid[..., None], np.take(table, np.where(valid, ids, 0), axis=0), np.float32(np.nan))
    return np.take(table, ids, axis=0)


def _table_gradient(ids: Any, vocab_size: int, gy: Any) -> Abstract:
    return alike(gy, (vocab_size, gy.shape[-1]))


@kernel(shapes=signature("ids:int *, gy * D", rule=_table_gradient, ranges=VOCABULARY, cost="256 gy"))
def embedding_grad(ids: Array, vocab_size: int, gy: Array) -> Array:
    """Rows of gy (…, D) added up by id → (V, D); an id that is none adds nothing."""
    table = np.zeros((vocab_size, gy.shape[-1]), gy.dtype)
    if _has_unknown(ids, vocab_size):
        valid = (ids >= 0) & (ids < vocab_size)
        ids, gy = ids[valid], gy[valid]
    np.add.at(table, ids, gy)
    return table
