"""Rows of a table by token id."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import InputError
from ..abstract import FLOAT32, Abstract, alike
from ..kernel import Array, kernel


def _ids(x: Any, vocab_size: int) -> Abstract:
    return Abstract(tuple(x.shape), np.dtype(np.int64))


@kernel(shapes=_ids)
def token_ids(x: Array, vocab_size: int) -> Array:
    """Floats that are whole numbers in `0 … vocab_size − 1` → integer ids; anything else is an `InputError`."""
    ids = x.astype(np.int64)
    wrong = (ids != x) | (ids < 0) | (ids >= vocab_size)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise InputError(f"{x.flat[at]:g} is not a token id below {vocab_size}", where=f"input[{at}]")
    return ids


def _rows(ids: Array, table: Array) -> Abstract:
    return Abstract((*ids.shape, table.shape[1]), np.result_type(table.dtype, FLOAT32))


@kernel(shapes=_rows)
def embedding(ids: Array, table: Array) -> Array:
    """Rows of `table` (V, D), in any storage the device knows, at integer `ids` (…,) → (…, D)."""
    return np.take(table, ids, axis=0)


def _table_gradient(ids: Any, vocab_size: int, gy: Any) -> Abstract:
    return alike(gy, (vocab_size, gy.shape[-1]))


@kernel(shapes=_table_gradient)
def embedding_grad(ids: Array, vocab_size: int, gy: Array) -> Array:
    """Rows of gy (…, D) added up by id → (V, D)."""
    table = np.zeros((vocab_size, gy.shape[-1]), gy.dtype)
    np.add.at(table, ids, gy)
    return table
