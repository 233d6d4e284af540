"""A tween state and its network as one object with plain arguments, for callers outside Python."""

from __future__ import annotations

from ..marks import Floats, shared
from ..nn.layer import Array
from ..training.grid import TrainableGrid
from .state import TweenState


@shared
class NetworkTween:
    """The original's tween object: `TweenStep`, `SetChainRule`, `GetChainRule`, `GetTweenSteps` on one network."""

    def __init__(self, network: TrainableGrid, use_chain_rule: bool = False) -> None:
        self.network = network
        self._state = TweenState(network, {"UseChainRule": use_chain_rule})

    @property
    def state(self) -> TweenState:
        """The full tween state."""
        return self._state

    def tween_step(self, input: Floats, target_class: int, output_size: int, learning_rate: float) -> float:
        """One step → Σ (output − one-hot)² before it."""
        return self.state.tween_step(self.network, input, target_class, output_size, learning_rate)

    def set_chain_rule(self, enabled: bool) -> None:
        """Choose between the chain rule and the legacy rule."""
        self.state.set_chain_rule(enabled)

    def get_chain_rule(self) -> bool:
        """Whether steps follow the chain rule."""
        return self.state.get_chain_rule()

    def get_tween_steps(self) -> int:
        """Steps so far."""
        return self.state.get_tween_steps()

    def get_link_budgets(self) -> Array:
        """Link budget of every layer, from the last step."""
        return self.state.get_link_budgets()

    def get_gaps(self) -> Array:
        """Gap of every layer, from the last step."""
        return self.state.get_gaps()

    def get_depth_barrier(self) -> Array:
        """Products of the link budgets from the first layer to each."""
        return self.state.depth_barrier
