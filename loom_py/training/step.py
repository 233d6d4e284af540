"""One whole update as a function of its arguments: forward, loss, backward, clip, optimiser."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..nn import chain
from ..nn.grid import Grid
from ..nn.layer import BUFFERS, Params, State, tree_map
from ..runtime.ops import Ops, Tensor
from .losses import ON_PROBABILITIES, Loss
from .optimisers import Optimiser, Slots


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """What one update does; 0 clips nothing."""

    loss: Loss
    optimiser: Optimiser
    clip_norm: float = 0.0
    clip_value: float = 0.0


class BatchStates(Protocol):
    """What stateful layers carry from batch to batch."""

    def of(self, rows: int) -> list[State] | None:
        """The layers' states for the next batch, of `rows` samples; None where no layer has any."""
        ...


def flat(trees: Sequence[Params]) -> list[Tensor]:
    """All tensors of the layers' parameter (or gradient) trees but the buffers, in the order of `leaves`."""
    tensors: list[Tensor] = []
    for tree in trees:
        if BUFFERS not in tree and list not in map(type, tree.values()):
            tensors += tree.values()  # at once: every update comes here
            continue
        for name, value in tree.items():
            if isinstance(value, list):
                tensors += flat(value)
            elif name != BUFFERS:
                tensors.append(value)
    return tensors


def add_share(ops: Ops, total: list[Params], gradients: list[Params], share: float) -> list[Params]:
    """`total + share · gradients`, *in place*; an empty total begins with the first share."""
    if not total:
        return [tree_map(lambda g: ops.scale(g, share), tree) for tree in gradients]
    for t, g in zip(flat(total), flat(gradients), strict=True):
        ops.accumulate(t, g, share)
    return total


def clip(ops: Ops, plan: StepPlan, gradients: Sequence[Tensor], want_norm: bool = False) -> Tensor | None:
    """*In place*: clip by value, then by norm, as the plan says → the norm before that, if clipped by it or wanted."""
    if plan.clip_value > 0:
        ops.clip_by_value(gradients, plan.clip_value)
    if plan.clip_norm > 0 or want_norm:
        return ops.clip_by_norm(gradients, plan.clip_norm or math.inf)
    return None


def train_step(
    network: Grid,
    ops: Ops,
    plan: StepPlan,
    params: list[Params],
    weights: Sequence[Tensor],
    slots: Slots,
    batches: Sequence[tuple[Tensor, Tensor]],
    *,
    lr: float,
    step: int,
    states: BatchStates | None = None,
    want_norm: bool = False,
) -> tuple[list[Tensor], Tensor | None, list[Params]]:
    """One update on any device from one batch, or from the mean gradient of several (accumulation).

    **Arguments:**

    - `params`, `weights`: the layers' parameter trees, and their tensors in order (`flat(params)`).
    - `slots`: optimiser state, changed in place like the weights.
    - `batches`: pairs x (B, I), target (B, O); each counts by its number of samples, so that accumulation gives the
      gradient of the one big batch.
    - `states`: what stateful layers carry from batch to batch, changed in place.
    - `lr`, `step`: *dynamic*; `step` counts this optimiser's updates from 1.
    - `want_norm`: compute the gradient norm even if nothing is clipped by it.

    Returns the losses before the update, the global gradient norm before clipping by it, and the gradients.
    Weights and slots change in `optimiser.step` alone, after everything that can fail; layer states and the buffers in
    `params` change with every forward pass.
    """
    total = sum(x.shape[0] for x, _ in batches)
    losses: list[Tensor] = []
    grads: list[Params] = []
    for x, target in batches:
        y, _, caches = network.trace_forward(ops, params, x, states.of(x.shape[0]) if states else None, training=True)
        logits = chain.logits(network.layers, caches) if plan.loss.name in ON_PROBABILITIES else None
        loss, y, target, from_logits = plan.loss.at(ops, y, logits, target)
        losses.append(loss.value(ops, y, target))
        gradient = loss.gradient(ops, y, target)
        _, batch_grads = network.trace_backward(ops, params, caches, gradient, from_logits=from_logits)
        grads = batch_grads if len(batches) == 1 else add_share(ops, grads, batch_grads, x.shape[0] / total)
    tensors = flat(grads)
    norm = clip(ops, plan, tensors, want_norm)
    plan.optimiser.step(ops, weights, tensors, slots, lr, step)
    return losses, norm, grads


def evaluation_loss(
    network: Grid,
    ops: Ops,
    loss: Loss,
    params: list[Params],
    x: Tensor,
    target: Tensor,
    states: list[State] | None = None,
) -> Tensor:
    """The loss of one batch in an evaluation pass, on any device."""
    y, _, caches = network.trace_forward(ops, params, x, states)
    loss, y, target, _ = loss.at(ops, y, chain.logits(network.layers, caches), target)
    return loss.value(ops, y, target)
