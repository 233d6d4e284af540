"""Cases of `kernels/softmax.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..kernels import softmax as k
from ..softmax_tree import Tree
from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]

SHAPES = [(1, 1), (1, 5), (4, 8), (2, 3, 7), (65, 10), (9, 1003)]
ALPHAS = (1.0, 1.01, 1.3, 1.5, 2.0, 3.5)


def extremes(n: Numbers) -> Iterator[tuple[str, Any]]:
    """Rows longer than a workgroup with entries of −∞, among the largest numbers, and all of them alike."""
    x = n.normal(3, 400, scale=2)
    x[:, ::3] = -np.inf
    yield "infinite", x
    yield "lowest", np.full((2, 300), np.finfo(np.float32).min, np.float32)
    large = n.normal(2, 300, scale=3e37)
    large[:, 7], large[:, 200] = 1.6e38, -1.6e38  # their difference is nearly no float32
    yield "large", large
    yield "ties", np.full((2, 300), 3.5, np.float32)


@cases("softmax")
def softmax(n: Numbers) -> Cases:
    for shape in SHAPES:
        yield size(*shape), {"x": n.normal(*shape, scale=3)}
    yield "shifted", {"x": n.normal(3, 6) + np.float32(500)}
    for label, x in extremes(n):
        yield label, {"x": x}


@cases("temper")
def temper(n: Numbers) -> Cases:
    for shape, temperature in zip(SHAPES, (0.5, 1e-30, 3.0, 1e30, 0.1, 1e-3), strict=True):
        yield size(*shape), {"x": n.normal(*shape, scale=3), "temperature": temperature}
    yield "large", {"x": n.normal(3, 6, scale=1e38), "temperature": 0.9}


@cases("softmax_grad")
def softmax_grad(n: Numbers) -> Cases:
    for shape in SHAPES[1:]:
        yield size(*shape), {"y": n.simplex(*shape), "g": n.normal(*shape)}


@cases("masked_softmax", "mask")
def masked_softmax(n: Numbers) -> Cases:
    for shape in SHAPES:
        mask = n.flags(shape[-1])
        mask[-1] = True
        yield size(*shape), {"x": n.normal(*shape, scale=3), "mask": mask}
    for label, x in extremes(n):
        mask = n.flags(x.shape[-1])
        mask[7] = True
        yield label, {"x": x, "mask": mask}
    one = np.zeros(200, np.bool_)
    one[150] = True
    yield "one", {"x": n.normal(3, 200), "mask": one}


@cases("sparsemax")
def sparsemax(n: Numbers) -> Cases:
    for shape in SHAPES:
        yield size(*shape), {"x": n.normal(*shape)}
    for label, x in extremes(n):
        yield label, {"x": x}
    yield "near", {"x": n.normal(3, 1000, scale=1e-3)}  # all of them in the support


@cases("entmax")
def entmax(n: Numbers) -> Cases:
    for alpha in ALPHAS:
        for shape in SHAPES[:5]:
            yield f"{alpha:g}-{size(*shape)}", {"x": n.normal(*shape, scale=2), "alpha": alpha}
        for label, x in extremes(n):
            yield f"{alpha:g}-{label}", {"x": x, "alpha": alpha}
        yield f"{alpha:g}-near", {"x": n.normal(3, 1000, scale=1e-3), "alpha": alpha}


@cases("entmax_grad")
def entmax_grad(n: Numbers) -> Cases:
    for alpha in ALPHAS:
        for shape in SHAPES[1:5]:
            y = k.entmax(n.normal(*shape), alpha)
            yield f"{alpha:g}-{size(*shape)}", {"y": y, "g": n.normal(*shape), "alpha": alpha}
        y = k.entmax(n.normal(3, 400), alpha)
        yield f"{alpha:g}-long", {"y": y, "g": n.normal(3, 400), "alpha": alpha}
        y = np.array([[1e-6, 0.25, 0, 0.75], [1, 0, 0, 0], [0.5, 0.5, 0, 0], [1e-12, 0.5, 0.5, 0]], np.float32)
        yield f"{alpha:g}-small", {"y": y, "g": n.normal(4, 4), "alpha": alpha}


def _two_levels(*sizes: int) -> Any:
    """Paths to leaves below as many nodes as there are sizes."""
    leaves = np.arange(sum(sizes))
    return np.stack([np.repeat(np.arange(len(sizes)), sizes), leaves + len(sizes)], 1)


TREES = {
    "one level": Tree(np.zeros(4, np.int64), np.arange(4)[:, None]),
    "2x3": Tree(np.array([0, 0, 1, 1, 1, 2, 2, 2]), np.array([[0, 2], [0, 3], [0, 4], [1, 5], [1, 6], [1, 7]])),
    "wide": Tree(np.repeat([0, 1, 2], [2, 200, 150]), _two_levels(200, 150)),
    # classes 0 and 3 compete with a cluster {1, 2} (node 4); paths that are shorter end with N = 5
    "uneven": Tree(np.array([0, 1, 1, 0, 0]), np.array([[0, 5], [4, 1], [4, 2], [3, 5]])),
}


def tree_inputs(n: Numbers) -> Iterator[tuple[str, Tree, Any]]:
    """One logit a node, and one a leaf."""
    for label, tree in TREES.items():
        for rows in (1, 3, 50):
            yield f"{label}-nodes-{rows}", tree, n.normal(rows, tree.nodes, scale=2)
            yield f"{label}-leaves-{rows}", tree, n.normal(rows, len(tree.paths), scale=2)


@cases("tree_softmax")
def tree_softmax(n: Numbers) -> Cases:
    for label, tree, x in tree_inputs(n):
        yield label, {"x": x, "tree": tree}


@cases("tree_softmax_grad")
def tree_softmax_grad(n: Numbers) -> Cases:
    for label, tree, x in tree_inputs(n):
        y = k.tree_softmax(x, tree)
        yield label, {"x": x, "y": y, "g": n.normal(*y.shape), "tree": tree}
