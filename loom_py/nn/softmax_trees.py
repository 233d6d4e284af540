"""The trees of hierarchical and adaptive softmax: one logit a node or a leaf."""

from __future__ import annotations

from functools import cache

import numpy as np

from ..errors import InputError
from ..runtime.softmax_tree import Tree
from .layer import Array


@cache
def level_tree(levels: tuple[int, ...]) -> Tree:
    """A tree with `levels[i]` children on level i.

    Nodes come level by level, each level from left to right, so that siblings are neighbours.
    """
    counts: Array = np.cumprod(levels)
    starts: Array = np.concatenate([[0], np.cumsum(counts)])
    leaf: Array = np.arange(int(counts[-1]))
    nodes: list[Array] = [starts[i] + leaf // (counts[-1] // counts[i]) for i in range(len(levels))]
    parents: list[Array] = [np.arange(n) // width for n, width in zip(counts, levels, strict=True)]
    offsets: Array = np.concatenate([[0], np.cumsum([np.unique(p).size for p in parents])])
    groups: Array = np.concatenate([p + o for p, o in zip(parents, offsets[:-1], strict=True)])
    return Tree(groups=groups, paths=np.stack(nodes, axis=1))


@cache
def cluster_tree(classes: int, clusters: tuple[tuple[int, ...], ...]) -> Tree:
    """One node a class, then one a cluster; free classes and clusters are the root's group 0."""
    if max(c for cluster in clusters for c in cluster) >= classes:
        raise InputError(f"the input has {classes} classes, but a cluster names a later one", where="input")
    groups = np.zeros(classes + len(clusters), np.int64)
    paths = np.full((classes, 2), classes + len(clusters))
    paths[:, 1] = np.arange(classes)
    for k, cluster in enumerate(clusters):
        groups[list(cluster)] = k + 1
        paths[list(cluster), 0] = classes + k
    return Tree(groups=groups, paths=paths)
