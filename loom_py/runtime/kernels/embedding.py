"""Rows of a table by token id."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError

Array = NDArray[Any]


def token_ids(x: Array, vocab_size: int) -> Array:
    """Whole numbers in `0 … vocab_size − 1`, of any float dtype → int64. Anything else is an `InputError`."""
    ids = x.astype(np.int64)
    wrong = (ids != x) | (ids < 0) | (ids >= vocab_size)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise InputError(f"{x.flat[at]:g} is not a token id below {vocab_size}", where=f"input[{at}]")
    return ids


def embedding(ids: Array, table: Array) -> Array:
    """`table[ids]`."""
    return np.take(table, ids, axis=0)


def embedding_grad(ids: Array, vocab_size: int, gy: Array) -> Array:
    """Rows of gy (…, D) added up by id → (V, D)."""
    table = np.zeros((vocab_size, gy.shape[-1]), gy.dtype)
    np.add.at(table, ids, gy)
    return table
