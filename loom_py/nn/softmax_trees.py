"""The trees of hierarchical and adaptive softmax: one logit a node or a leaf."""

from __future__ import annotations

from functools import cache

import numpy as np

from ..errors import InputError
from ..runtime.kernels.softmax import Tree


@cache
def level_tree(levels: tuple[int, ...]) -> Tree:
    """A tree with `levels[i]` children on level i.

    Nodes come level by level, each level from left to right, so that siblings are neighbours.
    """
    counts = np.cumprod(levels)
    starts = np.concatenate([[0], np.cumsum(counts)])
    leaf = np.arange(counts[-1])
    paths = np.stack([starts[i] + leaf // (counts[-1] // counts[i]) for i in range(len(levels))], axis=1)
    parents = [np.arange(n) // width for n, width in zip(counts, levels, strict=True)]
    offsets = np.concatenate([[0], np.cumsum([len(set(p)) for p in parents])])
    groups = np.concatenate([p + o for p, o in zip(parents, offsets[:-1], strict=True)])
    return Tree(groups=groups, paths=paths)


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
