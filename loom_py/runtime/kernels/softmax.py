"""The softmax family over the last axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..abstract import Abstract, alike, misfit
from ..guards import is_array
from ..kernel import Array, Gradients, kernel
from ..ops import Ops, Tensor
from ..signature import signature
from ..softmax_tree import Tree


def _softmax_rule(ops: Ops, y: Tensor, gy: Tensor, /, x: Tensor, **_: Tensor) -> Gradients:
    return {"x": ops.softmax_grad(y, gy)}


@kernel(shapes=signature("x * N", "x", cost="64 * N"), gradient=_softmax_rule)
def softmax(x: Array) -> Array:
    """`e^(x − max) / Σ`."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@kernel(shapes=signature("y * N, g * N", "y", cost="16 * N"))
def softmax_grad(y: Array, g: Array) -> Array:
    """`y · (g − Σ g·y)`, given the output `y`."""
    return y * (g - (g * y).sum(axis=-1, keepdims=True))


LOWEST = -3e38
"""What logits that overflow are cut to: as good as −∞ in a softmax, and 0 times it is 0."""


def _temper_rule(ops: Ops, y: Tensor, gy: Tensor, /, x: Tensor, temperature: float) -> Gradients:
    # Without the gradient of the shift: whatever tempered logits are for does not depend on it, so gy sums to 0.
    return {"x": ops.scale(gy, 1 / temperature)}


@kernel(shapes=signature("x * N", "x", ranges={"temperature": {"above": 0}}, cost="16 * N"), gradient=_temper_rule)
def temper(x: Array, temperature: float) -> Array:
    """`max((x − max) / T, −3·10³⁸)`: logits at a temperature T ≥ 10⁻³⁷, but for a shift."""
    # Shifted first, because x / T may be no float32.
    with np.errstate(over="ignore"):
        z = (x - x.max(axis=-1, keepdims=True)) / x.dtype.type(temperature)
    return np.maximum(z, x.dtype.type(LOWEST))


def _masked(x: Array, mask: Any) -> Abstract:
    if is_array(mask) and not mask.any():
        raise misfit("the mask leaves nothing")
    return alike(x)


@kernel(shapes=signature("x * N, mask:flag N", rule=_masked, cost="64 * N"), gradient=_softmax_rule)
def masked_softmax(x: Array, mask: Array) -> Array:
    """Softmax over the entries where the boolean `mask` (last axis) is set, else 0; `softmax_grad` fits it."""
    e = np.exp(x - x[..., mask].max(axis=-1, keepdims=True), where=mask, out=np.zeros_like(x))
    return e / e.sum(axis=-1, keepdims=True)


def _entmax_rule(ops: Ops, y: Tensor, gy: Tensor, /, x: Tensor, alpha: float = 2.0) -> Gradients:
    return {"x": ops.entmax_grad(y, gy, alpha)}


@kernel(shapes=signature("x * N", "x", cost="512 * N"), gradient=_entmax_rule)
def sparsemax(x: Array) -> Array:
    """`max(x − τ, 0)`, projection onto the simplex (Martins & Astudillo 2016); gradient: `entmax_grad`, α = 2."""
    x = x - x.max(axis=-1, keepdims=True)  # the result does not depend on a shift, the rounding does
    x = np.maximum(x, -1)  # what lies further below is 0 as well, and its sum may overflow
    z = -np.sort(-x, axis=-1)
    total = np.cumsum(z, axis=-1) - 1
    k = np.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    support = (z * k > total).sum(axis=-1, keepdims=True)
    tau = np.take_along_axis(total, support - 1, axis=-1) / support.astype(x.dtype)
    return np.maximum(x - tau, 0)


@kernel(shapes=signature("x * N", "x", ranges={"alpha": {"minimum": 1}}, cost="8192 * N"), gradient=_entmax_rule)
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


@kernel(shapes=signature("y * N, g * N", "y", ranges={"alpha": {"minimum": 1}}, cost="128 * N"))
def entmax_grad(y: Array, g: Array, alpha: float) -> Array:
    """`s ⊙ (g − Σ s·g / Σ s)` with s = y^(2−α) on the support, 0 off it.

    Adding a number to all of g changes nothing; here the g of the largest s becomes 0, else it is lost against itself.
    """
    support = y > 0
    wide = np.where(support, y, 1).astype(np.float64)  # for α > 2 small y have large powers
    s = np.where(support, wide ** (2 - alpha), 0)
    d = g - np.take_along_axis(g, s.argmax(axis=-1, keepdims=True), -1).astype(np.float64)
    return (s * (d - (s * d).sum(axis=-1, keepdims=True) / s.sum(axis=-1, keepdims=True))).astype(y.dtype)


def _node_logits(x: Array, tree: Tree) -> tuple[Array, Array | None]:
    """Logits of all nodes: `x` itself if it has one a node, else each node's mean over the leaves under it."""
    if x.shape[-1] == tree.nodes:
        return x, None
    members = np.zeros((tree.nodes + 1, len(tree.paths)), x.dtype)
    np.put_along_axis(members, tree.paths.T, x.dtype.type(1), axis=0)
    mean = members[:-1] / members[:-1].sum(axis=1, keepdims=True)
    return x @ mean.T, mean


def _leaves(x: Any, tree: Tree) -> Abstract:
    _require_tree(tree)
    if x.shape[1] not in (tree.nodes, len(tree.paths)):
        raise misfit(f"{tuple(x.shape)} fits neither {tree.nodes} nodes nor {len(tree.paths)} leaves")
    return alike(x, (x.shape[0], len(tree.paths)))


def _tree_cost(x: Any, tree: Tree, **_: object) -> int:
    lists = tree.nodes * (tree.paths.size + int(tree.groups.max()))  # who is below whom, and in which group
    return 16 * lists + 128 * x.shape[0] * (tree.nodes + tree.paths.size)


def _require_tree(tree: Tree) -> None:
    """Raises `InputError` unless every group has members and every path leads through nodes."""
    groups, paths = tree.groups, tree.paths
    if groups.ndim != 1 or paths.ndim != 2 or not groups.size or not paths.size:
        raise misfit(f"groups {groups.shape} and paths {paths.shape} make no tree")
    numbers = np.unique(groups)
    if groups.dtype.kind != "i" or not np.array_equal(numbers, np.arange(numbers.size)):
        raise misfit("the groups of a tree must be numbered from 0 without gaps")
    if paths.dtype.kind != "i" or paths.min() < 0 or paths.max() > tree.nodes:
        raise misfit(f"the paths of a tree must lead through its nodes 0 … {tree.nodes}")


def _tree_softmax_rule(ops: Ops, y: Tensor, gy: Tensor, /, x: Tensor, tree: Tree) -> Gradients:
    return {"x": ops.tree_softmax_grad(x, y, gy, tree)}


@kernel(shapes=signature("x B _", rule=_leaves, cost=_tree_cost), gradient=_tree_softmax_rule)
def tree_softmax(x: Array, tree: Tree) -> Array:
    """Products of sibling softmaxes down a tree (Morin & Bengio 2005): x (B, N) or (B, F) → (B, F), sums to 1.

    One logit a node, or one a leaf, inner nodes then taking the mean of theirs.
    """
    z, _ = _node_logits(x, tree)
    return np.exp(_leaf_sums(_group_log_softmax(z, tree), tree))


def _tree_gradient(x: Any, y: Any, tree: Tree, **_: Any) -> Abstract:
    if tuple(y.shape) != _leaves(x, tree).shape:
        raise misfit(f"y is {tuple(y.shape)}, expected {_leaves(x, tree).shape}")
    return alike(x)


@kernel(shapes=signature("x B _, y B F, g B F", rule=_tree_gradient, cost=_tree_cost))
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
