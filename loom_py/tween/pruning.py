"""Switch off layers whose link budget stays low, and remove them later."""

from __future__ import annotations

from ..nn.residual import Residual
from ..training.grid import TrainableGrid
from .state import TweenState

AT_ONCE = 3
"""Most layers switched off together."""


def prune(state: TweenState, network: TrainableGrid) -> list[str]:
    """Prune once an epoch, if `prune_enabled` → a description of each change.

    Applies to grids of one cell, and to layers between the first and the last with as many outputs as inputs. A layer
    whose link budget was below `prune_threshold` for `prune_patience` epochs is switched off, that is, replaced by the
    identity, with up to two of those behind it; after as many epochs again it is removed.
    """
    config = state.config
    if not config.prune_enabled or network.grid_rows > 1 or network.grid_cols > 1:
        return []
    inner = [i for i in range(1, len(network.layers) - 1) if _keeps_size(network, i)]
    for i in inner:
        if i in state.disabled:
            state.dead_epochs[i] += 1
            if state.dead_epochs[i] >= config.prune_patience:
                _remove(state, network, i)
                return [f"removed layer {i}"]
        else:
            low = state.link_budgets[i] < config.prune_threshold
            state.dead_epochs[i] = state.dead_epochs[i] + 1 if low else 0
    dead = [i for i in inner if i not in state.disabled and state.dead_epochs[i] >= config.prune_patience]
    if not dead:
        return []
    chosen = [i for i in inner if i >= dead[0] and i not in state.disabled][:AT_ONCE]
    for i in chosen:
        size = network.layers[i].out_size
        # It skips back beyond the input, so that nothing is added: the identity.
        network.layers[i] = Residual(in_size=size, out_size=size, skip=len(network.layers))
        network.params[i] = {}
        state.velocities[i] = {}
        state.dead_epochs[i] = 0
        state.disabled.add(i)
    _changed(network)
    return [f"switched off layer {i}" for i in chosen]


def _keeps_size(network: TrainableGrid, i: int) -> bool:
    """Whether layer `i` gives as many values as it takes."""
    layer = network.layers[i]
    return layer.in_size is not None and layer.in_size == layer.out_size


def _remove(state: TweenState, network: TrainableGrid, i: int) -> None:
    del network.layers[i]
    del network.params[i]
    network.layers_per_cell -= 1
    _changed(network)
    state.total_layers -= 1
    for entries in (state.velocities, state.dead_epochs):
        del entries[i]
    keep = [k for k in range(len(state.link_budgets)) if k != i]
    state.link_budgets, state.gaps = state.link_budgets[keep], state.gaps[keep]
    state.disabled = {k - (k > i) for k in state.disabled if k != i}
    state.reset_batch()


def _changed(network: TrainableGrid) -> None:
    """Forget the last pass and carried state, which no longer fit."""
    network.forget_pass()
    network.reset_state()
