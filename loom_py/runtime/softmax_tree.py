"""Trees that a softmax goes down."""

from __future__ import annotations

from dataclasses import dataclass

from .tensor import Array


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
