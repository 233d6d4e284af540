"""Words of `simd/softmax.c` and `softmax_tree.c`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..program import Dispatch
from ..softmax_tree import Tree
from .encode import Encoder, encodes


def _rows(e: Encoder, operand: Any) -> tuple[int, int]:
    """(rows, width) over the last axis."""
    width = e.shape(operand)[-1]
    return e.size(operand) // width, width


@encodes("softmax")
def softmax(e: Encoder, d: Dispatch) -> None:
    x = d.arguments["x"]
    e.emit("softmax", e.at(d.outputs[0]), e.at(x), *_rows(e, x), e.f32(1.0), 0)


@encodes("temper")
def temper(e: Encoder, d: Dispatch) -> None:
    x = d.arguments["x"]
    e.emit("temper", e.at(d.outputs[0]), e.at(x), *_rows(e, x), e.f32(d.arguments["temperature"]))


@encodes("softmax_grad")
def softmax_grad(e: Encoder, d: Dispatch) -> None:
    y, g = d.arguments["y"], d.arguments["g"]
    e.emit("softmax_grad", e.at(d.outputs[0]), e.at(y), e.at(g), *_rows(e, y), e.f32(1.0))


@encodes("masked_softmax")
def masked_softmax(e: Encoder, d: Dispatch) -> None:
    x = d.arguments["x"]
    e.emit("masked_softmax", e.at(d.outputs[0]), e.at(x), e.at(d.arguments["mask"]), *_rows(e, x))


@encodes("sparsemax")
def sparsemax(e: Encoder, d: Dispatch) -> None:
    x = d.arguments["x"]
    e.emit("sparsemax", e.at(d.outputs[0]), e.at(x), *_rows(e, x))


@encodes("entmax")
def entmax(e: Encoder, d: Dispatch) -> None:
    """α = 1 is softmax and α = 2 sparsemax, as on NumPy."""
    alpha = d.arguments["alpha"]
    if alpha == 1:
        softmax(e, d)
    elif alpha == 2:
        sparsemax(e, d)
    else:
        x = d.arguments["x"]
        e.emit("entmax", e.at(d.outputs[0]), e.at(x), *_rows(e, x), e.slot(alpha))


@encodes("entmax_grad")
def entmax_grad(e: Encoder, d: Dispatch) -> None:
    y, g = d.arguments["y"], d.arguments["g"]
    e.emit("entmax_grad", e.at(d.outputs[0]), e.at(y), e.at(g), *_rows(e, y), e.slot(d.arguments["alpha"]))


def _lists(e: Encoder, lists: list[list[int]]) -> tuple[int, int]:
    """Lists of numbers as (address of their starts, address of all numbers)."""
    starts = np.cumsum([0, *map(len, lists)])
    return e.table(starts.astype(np.int32)), e.table(np.array([m for members in lists for m in members], np.int32))


def _tree(e: Encoder, tree: Tree, width: int) -> tuple[int, ...]:
    """The words of a tree."""
    leaves, depth = tree.paths.shape
    groups = [np.flatnonzero(tree.groups == g).tolist() for g in range(int(tree.groups.max()) + 1)]
    below = (0, 0)
    if width != tree.nodes:
        below = _lists(e, [np.flatnonzero((tree.paths == node).any(axis=1)).tolist() for node in range(tree.nodes)])
    paths = e.table(tree.paths.astype(np.int32))
    return tree.nodes, leaves, depth, len(groups), paths, *_lists(e, groups), *below


@encodes("tree_softmax")
def tree_softmax(e: Encoder, d: Dispatch) -> None:
    x, tree = d.arguments["x"], d.arguments["tree"]
    rows, width = e.shape(x)
    scratch = e.scratch(4 * rows * (tree.nodes + 1))
    e.emit("tree_softmax", e.at(d.outputs[0]), e.at(x), rows, width, scratch, *_tree(e, tree, width))


@encodes("tree_softmax_grad")
def tree_softmax_grad(e: Encoder, d: Dispatch) -> None:
    x, tree = d.arguments["x"], d.arguments["tree"]
    rows, width = e.shape(x)
    scratch = e.scratch(8 * rows * (tree.nodes + 1))
    operands = (e.at(d.arguments[name]) for name in ("x", "y", "g"))
    e.emit("tree_softmax_grad", e.at(d.outputs[0]), *operands, rows, width, scratch, *_tree(e, tree, width))
