"""Mixtures of experts (Shazeer et al. 2017; Fedus et al. 2021): which experts a token has, and products with theirs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..abstract import Abstract, alike, misfit
from ..kernel import Array, Gradients, kernel
from ..ops import Ops, Tensor
from ..signature import signature
from .softmax import softmax, softmax_grad


def _routed(logits: Any, count: int, **_: object) -> tuple[Abstract, Abstract]:
    rows, experts = logits.shape
    if not 1 <= count <= experts:
        raise misfit(f"cannot choose {count} of {experts} experts")
    return Abstract((rows, count), np.dtype(np.int64)), alike(logits, (rows, count))


def _route_rule(
    ops: Ops,
    results: tuple[Tensor, Tensor],
    gradients: tuple[None, Tensor],
    /,
    logits: Tensor,
    count: int,
    normalised: bool,
) -> Gradients:
    return {"logits": ops.route_grad(logits, results[0], gradients[1], normalised=normalised)}


@kernel(shapes=signature("logits T E", rule=_routed, cost="64 T E"), gradient=_route_rule)
def route(logits: Array, count: int, *, normalised: bool) -> tuple[Array, Array]:
    """The `count` most likely of softmax(logits), logits (T, E) → ids (T, count), and their probabilities like that.

    The most likely comes first, among equals the one with the lower number. With `normalised` the probabilities of a
    token are divided by their sum.
    """
    p = softmax(logits)
    ids = np.argsort(-p, axis=-1, kind="stable")[:, :count]
    chosen = np.take_along_axis(p, ids, axis=-1)
    return ids, chosen / chosen.sum(axis=-1, keepdims=True) if normalised else chosen


@kernel(shapes=signature("logits T E, ids:int T K, g T K", "logits", cost="64 T E"))
def route_grad(logits: Array, ids: Array, g: Array, *, normalised: bool) -> Array:
    """→ glogits from the gradient g (T, K) of the probabilities p of the experts ids (T, K), which `route` has chosen.

    Others have 0, then the gradient of softmax; with `normalised` g is (g − Σ g p / Σ p) / Σ p before. An expert that
    is none adds nothing.
    """
    p = softmax(logits)
    valid = (ids >= 0) & (ids < logits.shape[1])
    ids = np.where(valid, ids, 0)
    chosen = np.where(valid, np.take_along_axis(p, ids, axis=-1), 0)
    if normalised:
        mass = chosen.sum(axis=-1, keepdims=True)
        g = (g - (g * chosen).sum(axis=-1, keepdims=True) / mass) / mass
    gp = np.zeros_like(p)
    np.add.at(gp, (np.arange(len(ids))[:, None], ids), np.where(valid, g, 0))
    return softmax_grad(p, gp)


def _products(x: Any, ids: Any, weight: Any, experts: int) -> Abstract:
    (rows, count), parts = ids.shape, x.shape[1]
    if experts < 1 or weight.shape[0] % experts:
        raise misfit(f"{weight.shape[0]} rows are not those of {experts} experts")
    if parts not in (1, count):
        raise misfit(f"x is {tuple(x.shape)}, expected ({rows}, 1 or {count}, {x.shape[2]})")
    return alike(x, (rows, count, weight.shape[0] // experts))


def _cost(ids: Any, weight: Any, experts: int, **_: object) -> int:
    return ids.size * weight.size // experts


def _expert_linear_rule(
    ops: Ops, y: Tensor, gy: Tensor, /, x: Tensor, ids: Tensor, weight: Tensor, experts: int
) -> Gradients:
    gx, gweight = ops.expert_linear_grad(x, ids, weight, experts, gy)
    return {"x": gx, "weight": gweight}


@kernel(shapes=signature("x T J I, ids:int T K, weight R I", rule=_products, cost=_cost), gradient=_expert_linear_rule)
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


def _gradient_cost(ids: Any, weight: Any, experts: int, **_: object) -> int:
    return 2 * _cost(ids, weight, experts)


def _product_gradients(x: Any, ids: Any, weight: Any, experts: int, gy: Any) -> tuple[Abstract, Abstract]:
    expected = _products(x, ids, weight, experts).shape
    if tuple(gy.shape) != expected:
        raise misfit(f"gy is {tuple(gy.shape)}, expected {expected}")
    return alike(x), alike(weight)


@kernel(
    shapes=signature(
        "x T J I, ids:int T K, weight R I, gy T K _",
        rule=_product_gradients,
        cost=_gradient_cost,
    )
)
def expert_linear_grad(x: Array, ids: Array, weight: Array, experts: int, gy: Array) -> tuple[Array, Array]:
    """→ (gx, gweight): gx[t,k] = gy[t,k] W, added up over k where x has one row a token; gW = Σ gyᵀ x.

    An expert that no token has, has 0; an id that is none adds nothing.
    """
    out = weight.shape[0] // experts
    gx, gweight = np.zeros_like(x), np.zeros_like(weight)
    for expert in np.unique(ids[(ids >= 0) & (ids < experts)]):
        token, choice = np.nonzero(ids == expert)
        part = choice if x.shape[1] > 1 else np.zeros_like(choice)
        g, rows = gy[token, choice], slice(expert * out, (expert + 1) * out)
        gweight[rows] = g.T @ x[token, part]
        np.add.at(gx, (token, part), g @ weight[rows])
    return gx, gweight
