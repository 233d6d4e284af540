"""Mixtures of experts (Shazeer et al. 2017; Fedus et al. 2021): which experts a token has, and products with theirs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..abstract import Abstract, alike, misfit
from ..kernel import Array, kernel
from ..signature import signature
from .softmax import softmax


def _routed(logits: Any, count: int, **_: object) -> tuple[Abstract, Abstract]:
    rows, experts = logits.shape
    if not 1 <= count <= experts:
        raise misfit(f"cannot choose {count} of {experts} experts")
    return Abstract((rows, count), np.dtype(np.int64)), alike(logits, (rows, count))


@kernel(shapes=signature("logits T E", rule=_routed, cost="64 T E"))
def route(logits: Array, count: int, *, normalised: bool) -> tuple[Array, Array]:
    """The `count` most likely of softmax(logits), logits (T, E) → ids (T, count), and their probabilities like that.

    The most likely comes first, among equals the one with the lower number. With `normalised` the probabilities of a
    token are divided by their sum.
    """
    p = softmax(logits)
    ids = np.argsort(-p, axis=-1, kind="stable")[:, :count]
    chosen = np.take_along_axis(p, ids, axis=-1)
    return ids, chosen / chosen.sum(axis=-1, keepdims=True) if normalised else chosen


def _products(x: Any, ids: Any, weight: Any, experts: int) -> Abstract:
    (rows, count), parts = ids.shape, x.shape[1]
    if experts < 1 or weight.shape[0] % experts:
        raise misfit(f"{weight.shape[0]} rows are not those of {experts} experts")
    if parts not in (1, count):
        raise misfit(f"x is {tuple(x.shape)}, expected ({rows}, 1 or {count}, {x.shape[2]})")
    return alike(x, (rows, count, weight.shape[0] // experts))


def _cost(ids: Any, weight: Any, experts: int, **_: object) -> int:
    return ids.size * weight.size // experts


@kernel(shapes=signature("x T J I, ids:int T K, weight R I", rule=_products, cost=_cost))
def expert_linear(x: Array, ids: Array, weight: Array, experts: int) -> Array:
    """`y[t,k] = x[t,k] @ Wᵀ`, W the rows of expert ids[t,k]: x (T, K or 1, I), weight (experts · O, I) → (T, K, O).

    `weight` may be in any storage the device knows. An id that is none gives NaN; a device leaves what was there.
    """
    (rows, count), out = ids.shape, weight.shape[0] // experts
    y = np.full((rows, count, out), np.nan, x.dtype)
    for expert in np.unique(ids[(ids >= 0) & (ids < experts)]):
        token, choice = np.nonzero(ids == expert)
        inputs = x[token, choice if x.shape[1] > 1 else 0]
        y[token, choice] = inputs @ weight[expert * out : (expert + 1) * out].T
    return y
