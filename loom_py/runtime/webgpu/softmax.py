"""Dispatches of `wgsl/softmax.wgsl`, `softmax_sparse.wgsl` and `softmax_tree.wgsl`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..program import Dispatch
from ..softmax_tree import Tree
from .encode import Encoder, Sized, encodes
from .plan import Slice

GROUP = 128
SMALLEST = 1e-37


def _rows(e: Encoder, entry: str, d: Dispatch, temperature: float = 1.0, **operands: Any) -> None:
    width = e.shape(operands["x"])[-1]
    rows = e.size(operands["x"]) // width
    numbers: dict[str, Any] = {"rows": rows, "width": width, "temperature": temperature}
    e.run("softmax", entry, e.elements(rows, 1), **numbers, **operands, out=d.outputs[0])


@encodes("softmax")
def softmax(e: Encoder, d: Dispatch) -> None:
    _rows(e, "forward", d, x=d.arguments["x"])


@encodes("temper")
def temper(e: Encoder, d: Dispatch) -> None:
    _rows(e, "temper", d, d.arguments["temperature"], x=d.arguments["x"])


@encodes("softmax_grad")
def softmax_grad(e: Encoder, d: Dispatch) -> None:
    _rows(e, "backward", d, x=d.arguments["y"], g=d.arguments["g"])


@encodes("masked_softmax")
def masked_softmax(e: Encoder, d: Dispatch) -> None:
    _rows(e, "masked", d, x=d.arguments["x"], mask=d.arguments["mask"])


# --- sparse -----------------------------------------------------------------------------------------------------------
def _sparse(e: Encoder, entry: str, d: Dispatch, alpha: float, **operands: Any) -> None:
    width = e.shape(operands["x"])[-1]
    rows, factor = e.size(operands["x"]) // width, alpha - 1
    numbers: dict[str, Any] = {
        "rows": rows,
        "width": width,
        "factor": factor,
        "exponent": 1 / factor if factor else 0.0,
    }
    # Width entries of t^exponent are 1 or less together, so half of that t is too little.
    numbers["floor"] = max(0.5 * float(width) ** -factor, SMALLEST)
    e.run("softmax_sparse", entry, e.elements(rows, 1), **numbers, **operands, out=d.outputs[0])


@encodes("sparsemax")
def sparsemax(e: Encoder, d: Dispatch) -> None:
    _sparse(e, "sparsemax", d, 2.0, x=d.arguments["x"])


@encodes("entmax")
def entmax(e: Encoder, d: Dispatch) -> None:
    """α = 1 is softmax and α = 2 sparsemax, as on NumPy."""
    alpha = d.arguments["alpha"]
    if alpha == 1:
        softmax(e, d)
    elif alpha == 2:
        sparsemax(e, d)
    else:
        _sparse(e, "entmax", d, alpha, x=d.arguments["x"])


@encodes("entmax_grad")
def entmax_grad(e: Encoder, d: Dispatch) -> None:
    _sparse(e, "backward", d, d.arguments["alpha"], x=d.arguments["y"], g=d.arguments["g"])


# --- trees ------------------------------------------------------------------------------------------------------------
def _lists(e: Encoder, lists: list[NDArray[Any]]) -> dict[str, Slice]:
    """Lists of numbers: where each begins, and all their members."""
    starts = np.cumsum([0, *map(len, lists)]).astype(np.int32)
    members = np.concatenate(lists).astype(np.int32)
    pairs = (("starts", starts), ("members", members))
    return {name: e.keep((name, a.tobytes()), lambda a=a: a) for name, a in pairs}


class _Walk:
    """Dispatches over one tree and so many rows."""

    def __init__(self, e: Encoder, tree: Tree, x: Any) -> None:
        self.rows, self.width = e.shape(x)
        self.nodes, (self.leaves, depth) = tree.nodes, tree.paths.shape
        self.sets = int(tree.groups.max()) + 1
        self._e = e
        self._numbers: dict[str, Any] = {
            "rows": self.rows, "nodes": self.nodes, "leaves": self.leaves, "depth": depth, "sets": self.sets,
        }  # fmt: skip
        paths = tree.paths.astype(np.int32)
        self.paths = e.keep(("paths", paths.shape, paths.tobytes()), lambda: paths)
        self.siblings = _lists(e, [np.flatnonzero(tree.groups == group) for group in range(self.sets)])
        self.below = _lists(e, [np.flatnonzero((tree.paths == node).any(axis=1)) for node in range(self.nodes)])

    def each(self, entry: str, count: int, **operands: Any) -> None:
        """An invocation for each of `count` elements of each row."""
        self._e.run("softmax_tree", entry, self._e.elements(self.rows * count, GROUP), **self._numbers, **operands)

    def groups(self, entry: str, **operands: Any) -> None:
        """A workgroup for each group of siblings of each row."""
        groups = self._e.elements(self.rows * self.sets, 1)
        self._e.run("softmax_tree", entry, groups, **self._numbers, **self.siblings, **operands)

    def logs(self, x: Any) -> Sized:
        """ln softmax of all nodes among their siblings: (rows, nodes)."""
        logits = x
        if self.width != self.nodes:
            logits = self._e.temporary((self.rows, self.nodes))
            self.each("means", self.nodes, x=x, out=logits, **self.below)
        out = self._e.temporary((self.rows, self.nodes))
        self.groups("logs", x=logits, out=out)
        return out


@encodes("tree_softmax")
def tree_softmax(e: Encoder, d: Dispatch) -> None:
    x = d.arguments["x"]
    walk = _Walk(e, d.arguments["tree"], x)
    walk.each("products", walk.leaves, x=walk.logs(x), paths=walk.paths, out=d.outputs[0])


@encodes("tree_softmax_grad")
def tree_softmax_grad(e: Encoder, d: Dispatch) -> None:
    x, gx = d.arguments["x"], d.outputs[0]
    walk = _Walk(e, d.arguments["tree"], x)
    logs = walk.logs(x)
    of_nodes = walk.width == walk.nodes
    gradient = gx if of_nodes else e.temporary((walk.rows, walk.nodes))
    walk.each("below", walk.nodes, y=d.arguments["y"], g=d.arguments["g"], out=gradient, **walk.below)
    walk.groups("backward", x=logs, out=gradient)
    if not of_nodes:
        walk.each(
            "shares", walk.leaves, x=gradient, starts=walk.below["starts"], paths=walk.paths, out=gx
        )  # fmt: skip
