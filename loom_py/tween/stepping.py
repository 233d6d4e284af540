"""Acting by stepping while learning by tweening."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..marks import Floats
from ..nn.layer import Array
from ..stepping.state import StepState
from ..training.grid import TrainableGrid
from .state import TweenState


@dataclass(frozen=True, kw_only=True)
class StepTween:
    """One tick: the output acted on, its largest value's index, and the loss of the sample learned from."""

    output: Array
    action: int
    loss: float


def step_tween_chain(
    network: TrainableGrid,
    steps: StepState,
    tween: TweenState,
    input: Floats,
    target_class: int | Callable[[Array], int],
    output_size: int = 0,
    rate: float = 0.02,
) -> StepTween:
    """One tick of "StepTweenChain": act on what the step state gives, then learn from the sample just seen.

    The output acted on belongs to an input L − 1 ticks older; learning runs the whole network forward on this one and
    does not touch the step state.

    **Arguments:**

    - `target_class`: the right class, or a function that is given the output acted on and tells it.
    """
    steps.set_input(input)
    steps.step_forward()
    output = np.array(steps.get_output())
    wanted = target_class(output) if callable(target_class) else target_class
    loss = tween.tween_step(network, input, wanted, output_size, rate)
    return StepTween(output=output, action=int(np.argmax(output)), loss=loss)
