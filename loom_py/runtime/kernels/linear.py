"""Matrix products and table look-ups."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError

Array = NDArray[Any]


def matmul(
    a: Array, b: Array, bias: Array | None = None, *, transpose_a: bool = False, transpose_b: bool = False
) -> Array:
    """`op(a) @ op(b) + bias`."""
    y = (a.T if transpose_a else a) @ (b.T if transpose_b else b)
    if bias is not None:
        y += bias
    return y


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """`x @ weightᵀ + bias`; both operands stream along their last axis.

    A single row is a matrix–vector product, for which BLAS reads the weight once in storage order.
    """
    y = (weight @ x.reshape(-1)).reshape(*x.shape[:-1], weight.shape[0]) if x.size == x.shape[-1] else x @ weight.T
    if bias is not None:
        y += bias
    return y


def token_ids(x: Array, vocab_size: int) -> Array:
    """Whole numbers in `0 … vocab_size − 1`, of any float dtype → int64. Anything else is an `InputError`."""
    ids = x.astype(np.int64)
    wrong = (ids != x) | (ids < 0) | (ids >= vocab_size)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise InputError(f"{x.flat[at]:g} is not a token id below {vocab_size}", where=f"input[{at}]")
    return ids


def embedding_grad(ids: Array, vocab_size: int, gy: Array) -> Array:
    """Rows of gy (…, D) added up by id → (V, D)."""
    table = np.zeros((vocab_size, gy.shape[-1]), gy.dtype)
    np.add.at(table, ids, gy)
    return table


def embedding(ids: Array, table: Array) -> Array:
    """`table[ids]`."""
    return np.take(table, ids, axis=0)
