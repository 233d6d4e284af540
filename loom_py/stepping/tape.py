"""Which computation made a buffer: the record that `step_backward` follows back through the ticks.

A `Node` is one run of one layer in one tick and points to the nodes whose outputs it read. Those belong to earlier
layers, so a chain of nodes is never longer than the network, however many ticks have passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..nn import chain
from ..nn.layer import Layer, Params, State, trainable, tree_map
from ..runtime.ops import Ops, Tensor

INPUT = -1
"""The network's input, where a node could stand."""


@dataclass(eq=False, slots=True)
class Node:
    """One run of layer `layer`: its cache, and the nodes that made its input and the tensor added to it."""

    layer: int
    cache: Any
    parent: Node | int | None
    """The maker of the input; INPUT, or None for the zeros before the first tick."""
    source: Node | int | None
    """The maker of the tensor from the residual stream; None if nothing was added."""
    source_index: int | None


def run_layer(
    ops: Ops,
    layers: Sequence[Layer],
    params: Sequence[Params],
    i: int,
    tensors: Sequence[Tensor],
    makers: Sequence[Node | int | None],
    state: State,
    source: int | None,
    *,
    training: bool,
) -> tuple[Tensor, Node]:
    """Layer `i` on `tensors[i]`, with `tensors[source]` from the stream where the shapes allow it."""
    added = None if source is None else tensors[source]
    y, cache, fits = chain.run_layer(ops, layers[i], params[i], tensors[i], state, added, training)
    if source is None or not fits:
        return y, Node(i, cache, makers[i], None, None)
    return y, Node(i, cache, makers[i], makers[source], source)


def backward(
    ops: Ops,
    layers: Sequence[Layer],
    params: Sequence[Params],
    last: Node | int | None,
    gy: Tensor,
    *,
    from_logits: bool = False,
) -> tuple[Tensor | None, list[Params]]:
    """Gradient of the tensor that `last` made, or of its logits → of the input, summed over the ticks, and of weights.

    The input's gradient is None if the output does not depend on it yet.
    """
    grads: list[Params | None] = [None] * len(layers)
    gx: Tensor | None = None
    waiting: list[dict[int, tuple[Node, Tensor]]] = [{} for _ in layers]

    def send(to: Node | int | None, g: Tensor) -> None:
        nonlocal gx
        if isinstance(to, Node):
            nodes = waiting[to.layer]
            nodes[id(to)] = (to, ops.add(nodes[id(to)][1], g) if id(to) in nodes else g)
        elif to == INPUT:
            gx = g if gx is None else ops.add(gx, g)

    send(last, gy)
    for i in reversed(range(len(layers))):
        for node, g in waiting[i].values():
            run = layers[i].backward_logits if from_logits and node is last else layers[i].backward
            back, share = run(ops, params[i], node.cache, g)
            if node.source_index is not None:
                send(node.source, g if layers[i].residual == "after" else back)
            send(node.parent, back)
            so_far = grads[i]
            grads[i] = share if so_far is None else add_trees(ops, so_far, share)
    filled = [zeros(ops, p) if g is None else g for p, g in zip(params, grads, strict=True)]
    return gx, filled


def zeros(ops: Ops, tree: Params) -> Params:
    """Gradients of zero for a tree of parameters."""
    return tree_map(lambda a: ops.zeros(a.shape, like=a), trainable(tree))


def add_trees(ops: Ops, a: Params, b: Params) -> Params:
    """Tensor by tensor `a + b`."""
    return {
        name: [add_trees(ops, x, y) for x, y in zip(value, b[name], strict=True)]
        if isinstance(value, list)
        else ops.add(value, b[name])
        for name, value in a.items()
    }
