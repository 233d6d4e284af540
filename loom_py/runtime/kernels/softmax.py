"""The softmax family over the last axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..abstract import Abstract, alike, like
from ..kernel import Array, kernel


@kernel(shapes=like("x"))
def softmax(x: Array) -> Array:
    """`e^(x − max) / Σ`."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@kernel(shapes=like("y"))
def softmax_grad(y: Array, g: Array) -> Array:
    """`y · (g − Σ g·y)`, given the output `y`."""
    return y * (g - (g * y).sum(axis=-1, keepdims=True))


@kernel(shapes=like("x"))
def masked_softmax(x: Array, mask: Array) -> Array:
    """Softmax over the entries where the boolean `mask` (last axis) is set, 0 elsewhere; `softmax_grad` fits it."""
    e = np.exp(x - x[..., mask].max(axis=-1, keepdims=True), where=mask, out=np.zeros_like(x))
    return e / e.sum(axis=-1, keepdims=True)


@kernel(shapes=like("x"))
def sparsemax(x: Array) -> Array:
    """`max(x − τ, 0)`, projection onto the simplex (Martins & Astudillo 2016); its gradient is `entmax_grad`, α = 2."""
    x = x - x.max(axis=-1, keepdims=True)  # the result does not depend on a shift, the rounding does
    z = -np.sort(-x, axis=-1)
    total = np.cumsum(z, axis=-1) - 1
    k = np.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    support = (z * k > total).sum(axis=-1, keepdims=True)
    tau = np.take_along_axis(total, support - 1, axis=-1) / support.astype(x.dtype)
    return np.maximum(x - tau, 0)


@kernel(shapes=like("x"))
def entmax(x: Array, alpha: float) -> Array:
    """`p_i = max((α−1) x_i − τ, 0)^(1/(α−1))` with τ such that Σ p = 1, α ≥ 1 (Peters et al. 2019).

    α = 1 is softmax, α = 2 sparsemax. τ is found by bisection in float64, until the interval cannot be halved.
    """
    if alpha == 1:
        return softmax(x)
    if alpha == 2:
        return sparsemax(x)
    z = (alpha - 1) * (x - x.max(axis=-1, keepdims=True)).astype(np.float64)
    high: Array = np.zeros_like(z[..., :1])
    low: Array = high - 1.0  # at τ = max − 1 the largest entry alone is 1
    exponent = 1 / (alpha - 1)
    for _ in range(64):
        tau = (low + high) / 2
        too_much = (np.maximum(z - tau, 0) ** exponent).sum(axis=-1, keepdims=True) >= 1
        low, high = np.where(too_much, tau, low), np.where(too_much, high, tau)
    p = np.maximum(z - low, 0) ** exponent
    return (p / p.sum(axis=-1, keepdims=True)).astype(x.dtype)


@kernel(shapes=like("y"))
def entmax_grad(y: Array, g: Array, alpha: float) -> Array:
    """`s ⊙ (g − Σ s·g / Σ s)` with s = y^(2−α) on the support, 0 off it."""
    support = y > 0
    s = np.where(support, np.where(support, y, 1) ** y.dtype.type(2 - alpha), 0).astype(y.dtype)
    return s * (g - (s * g).sum(axis=-1, keepdims=True) / s.sum(axis=-1, keepdims=True))


@dataclass(frozen=True)
class Tree:
    """A softmax tree over F leaves with N nodes besides the root.

    - `groups` (N,): the sibling group of each node; a node is chosen within its group.
    - `paths` (F, depth): the nodes from the root down to each leaf, padded with N.
    """

    groups: Array
    paths: Array

    @property
    def nodes(self) -> int:
        return len(self.groups)


def _node_logits(x: Array, tree: Tree) -> tuple[Array, Array | None]:
    """Logits of all nodes: `x` itself if it has one a node, else each node's mean over the leaves under it."""
    if x.shape[-1] == tree.nodes:
        return x, None
    members = np.zeros((tree.nodes + 1, len(tree.paths)), x.dtype)
    np.put_along_axis(members, tree.paths.T, x.dtype.type(1), axis=0)
    mean = members[:-1] / members[:-1].sum(axis=1, keepdims=True)
    return x @ mean.T, mean


def _leaves(x: Any, tree: Tree) -> Abstract:
    return alike(x, (x.shape[0], len(tree.paths)))


@kernel(shapes=_leaves)
def tree_softmax(x: Array, tree: Tree) -> Array:
    """Products of sibling softmaxes down a tree (Morin & Bengio 2005): x (B, N) or (B, F) → (B, F), sums to 1.

    One logit a node, or one a leaf, inner nodes then taking the mean of theirs.
    """
    z, _ = _node_logits(x, tree)
    return np.exp(_leaf_sums(_group_log_softmax(z, tree), tree))


@kernel(shapes=like("x"))
def tree_softmax_grad(x: Array, y: Array, g: Array, tree: Tree) -> Array:
    """→ gx: the chain rule back through the product and the group softmaxes."""
    z, mean = _node_logits(x, tree)
    gl = np.zeros((len(x), tree.nodes + 1), x.dtype)
    for level in tree.paths.T:
        np.add.at(gl.T, level, (g * y).T)
    gl = gl[:, :-1]
    probability = np.exp(_group_log_softmax(z, tree))
    gz = gl - probability * _group_sums(gl, tree)
    return gz if mean is None else gz @ mean


def _group_sums(a: Array, tree: Tree) -> Array:
    """For each node the sum of `a` over its group."""
    sums = np.zeros((len(a), int(tree.groups.max()) + 1), a.dtype)
    np.add.at(sums.T, tree.groups, a.T)
    return sums[:, tree.groups]


def _group_log_softmax(z: Array, tree: Tree) -> Array:
    peak = np.full((len(z), int(tree.groups.max()) + 1), -np.inf, z.dtype)
    np.maximum.at(peak.T, tree.groups, z.T)
    shifted = z - peak[:, tree.groups]
    return shifted - np.log(_group_sums(np.exp(shifted), tree))


def _leaf_sums(logp: Array, tree: Tree) -> Array:
    padded = np.concatenate([logp, np.zeros((len(logp), 1), logp.dtype)], axis=1)
    return padded[:, tree.paths].sum(axis=-1)
